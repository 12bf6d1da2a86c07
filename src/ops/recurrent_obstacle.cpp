#include <algorithm>
#include <array>

#include "qtool/ops/recurrent.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

bool is_given(const ir::Node& node, size_t slot) { return slot < node.inputs.size() && node.inputs[slot] != ir::kNoValue; }

const Tensor* constant_of(const ir::Graph& graph, const ir::Node& node, size_t slot) {
  return is_given(node, slot) ? graph.constant(node.inputs[slot]) : nullptr;
}

std::string obstacle_of_lengths(const ir::Graph& graph, const ir::Node& node, int64_t steps) {
  if (!is_given(node, kSequenceLengths)) return "";
  const Tensor* lengths = constant_of(graph, node, kSequenceLengths);
  if (lengths == nullptr) return "the lengths of its sequences (input sequence_lens) are computed at run time";
  for (const int64_t length : lengths->to_int64()) {
    if (length != steps) return format("a sequence of {} of its {} steps (input sequence_lens); leave that input out", length, steps);
  }
  return "";
}

bool has_peepholes(const ir::Graph& graph, const ir::Node& node) {
  if (!is_given(node, kPeepholes)) return false;
  const Tensor* weights = constant_of(graph, node, kPeepholes);
  return weights == nullptr || std::ranges::any_of(weights->to_float(), [](float w) { return w != 0.0f; });
}

}  // namespace

std::string obstacle_to_steps(const ir::Graph& graph, const ir::Node& node) {
  const auto& sequence = graph.value(node.inputs.at(kSequence)).type;
  if (!sequence) return "the number of its steps depends on data";
  if (sequence->dtype != DType::kFloat32) return format("it computes in {}", dtype_name(sequence->dtype));
  static constexpr std::array<std::pair<size_t, const char*>, 3> kParameters = {
      {{kInputWeights, "W"}, {kRecurrentWeights, "R"}, {kGateBiases, "B"}}};
  for (const auto& [slot, name] : kParameters) {
    if (is_given(node, slot) && constant_of(graph, node, slot) == nullptr) return format("its parameters {} are computed at run time", name);
  }
  const Recurrent recurrent = read_recurrent(node, sequence->shape, constant_of(graph, node, kInputWeights)->shape(),
                                             constant_of(graph, node, kRecurrentWeights)->shape());
  if (recurrent.sequence == 0) return "it has no step";
  if (has_peepholes(graph, node)) return "its gates look at the cell state through peepholes (input P)";
  return obstacle_of_lengths(graph, node, recurrent.sequence);
}

}  // namespace qtool::ops
