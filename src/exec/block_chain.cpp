#include "block_chain.h"

#include <algorithm>

#include "dense_layer.h"
#include "fusion.h"
#include "qtool/ops/window.h"

namespace qtool::exec {

namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

// A Conv over images whose parameters are constants.
bool is_plain_conv(const Graph& graph, const ValueFacts& facts, const Node& node) {
  if (node.op_type != "Conv" || !node.domain.empty() || !facts.typed(node.inputs[0]) || !facts.typed(node.outputs[0])) return false;
  const TensorType& type = graph.type_of(node.inputs[0]);
  if (type.dtype != DType::kFloat32 || type.shape.rank() != 4 || graph.type_of(node.outputs[0]).shape.element_count() == 0) return false;
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ValueId id) { return id == kNoValue || graph.is_constant(id); });
}

ops::WindowParams window_of(const Graph& graph, const Node& conv) {
  return ops::conv_window(conv, graph.type_of(conv.inputs[0]).shape, graph.type_of(conv.inputs[1]).shape);
}

bool is_depthwise(const Graph& graph, const Node& conv) {
  constexpr int64_t kLargestKernel = 5;
  const int64_t channels = graph.type_of(conv.inputs[0]).shape[1];
  if (channels == 1 || conv.attr_int("group", 1) != channels || graph.type_of(conv.outputs[0]).shape[1] != channels) return false;
  const std::vector<int64_t> kernel = window_of(graph, conv).kernel;
  return std::all_of(kernel.begin(), kernel.end(), [](int64_t size) { return size <= kLargestKernel; });
}

class ChainFinder {
 public:
  ChainFinder(const Graph& graph, const ValueFacts& facts) : graph_(graph), facts_(facts) {}

  std::optional<BlockChain> from(const Node& node) {
    if (!is_plain_conv(graph_, facts_, node) || !is_pointwise(node, window_of(graph_, node))) return std::nullopt;
    chain_.source = node.inputs[0];
    chain_.expand = take(node);
    const Node* depthwise = next_conv();
    if (depthwise == nullptr || !is_depthwise(graph_, *depthwise)) return std::nullopt;
    chain_.depthwise = take(*depthwise);
    const Node* project = next_conv();
    if (project == nullptr || !is_pointwise(*project, window_of(graph_, *project))) return std::nullopt;
    chain_.project = take(*project);
    take_residual();
    return chain_;
  }

 private:
  ChainLayer take(const Node& conv) {
    const auto fusion = find_fusion(graph_, facts_, conv);
    const Fusion alone{{}, {&conv}, conv.outputs[0]};
    const Fusion& layer = fusion ? *fusion : alone;
    chain_.members.insert(chain_.members.end(), layer.members.begin(), layer.members.end());
    chain_.result = layer.result;
    return {&conv, layer.activation};
  }

  // The only reader of the result so far, which nobody else wants to see.
  const Node* only_reader() const {
    if (facts_.watched(chain_.result) || graph_.is_output(chain_.result)) return nullptr;
    const NodeId user = graph_.single_user(chain_.result);
    return user == kNoNode ? nullptr : &graph_.node(user);
  }

  const Node* next_conv() const {
    const Node* reader = only_reader();
    return reader != nullptr && is_plain_conv(graph_, facts_, *reader) && reader->inputs[0] == chain_.result ? reader : nullptr;
  }

  void take_residual() {
    const Node* add = chain_.project.activation.kind == FusedActivation::Kind::kNone ? only_reader() : nullptr;
    if (add == nullptr || add->op_type != "Add" || !add->domain.empty() || add->inputs.size() != 2) return;
    const ValueId other = add->inputs[add->inputs[0] == chain_.result ? 1 : 0];
    if (other != chain_.source || graph_.type_of(other) != graph_.type_of(chain_.result)) return;
    chain_.residual = true;
    chain_.members.push_back(add);
    chain_.result = add->outputs[0];
  }

  const Graph& graph_;
  const ValueFacts& facts_;
  BlockChain chain_{};
};

}  // namespace

std::optional<BlockChain> find_block_chain(const Graph& graph, const ValueFacts& facts, const Node& node) {
  if (facts.simulates()) return std::nullopt;
  return ChainFinder(graph, facts).from(node);
}

}  // namespace qtool::exec
