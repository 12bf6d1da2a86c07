// BEFORE   X -> LSTM -> Y, Y_h, Y_c
// AFTER    X -> Gemm (all steps) -> Split -> { step 0 -> step 1 -> ... } -> Concat -> Y, and the last states
// REQUIRES parameters that are constants, sequences of one known length, no peepholes (ops::obstacle_to_steps)
// SOURCE   ONNX operators RNN, GRU and LSTM; Qualcomm's converter does it for --unroll_lstm_time_steps
#include "qtool/passes/unroll_recurrent.h"

#include <algorithm>

#include "qtool/ops/recurrent.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"
#include "recurrent_cells.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::ValueId;

constexpr int64_t kLeastOpset = 13;  // Split with its lengths as an input

struct Track {
  std::vector<ValueId> hidden;  // [batch, hidden] by the place in the sequence
  CellState last;
  MaybeValue sequence;          // [steps * batch, hidden]; where somebody reads Y
};

class Unroller {
 public:
  Unroller(Graph& graph, const ir::Node& node, const ops::Recurrent& recurrent, UnrollOutcome& outcome)
      : graph_(graph), outcome_(outcome), node_(node), r_(recurrent), writer_(graph_, node.name, std::max(node.opset, kLeastOpset)) {}

  UnrolledNode run() {
    ValueId sequence = node_.inputs[ops::kSequence];
    if (r_.batch_first) sequence = writer_.transpose("steps_first", sequence, {1, 0, 2});
    sequence = writer_.reshape("rows", sequence, Shape{r_.sequence * r_.batch, r_.inputs});
    std::vector<Track> tracks;
    for (int64_t d = 0; d < r_.directions; ++d) tracks.push_back(direction(d, sequence));
    graph_.erase_node(node_.id);  // its outputs are written anew
    write_sequence(tracks);
    write_state(1, "last_hidden", tracks, &CellState::hidden);
    write_state(2, "last_cell", tracks, &CellState::cell);
    return {.node = node_.text(), .steps = r_.sequence, .directions = r_.directions, .operators = operators_ + writer_.operators()};
  }

 private:
  ValueId output(size_t slot) const {
    const ValueId id = slot < node_.outputs.size() ? node_.outputs[slot] : kNoValue;
    return id != kNoValue && (!graph_.value(id).uses.empty() || graph_.is_output(id)) ? id : kNoValue;
  }

  // [batch, hidden] of the initial state that is given; empty for zeros.
  MaybeValue initial(size_t slot, const std::string& name, int64_t d, StepWriter& writer) {
    const ValueId id = input_of(node_, slot);
    if (id == kNoValue) return std::nullopt;
    if (const Tensor* constant = graph_.constant(id)) {
      const std::vector<float> all = constant->to_float();
      std::vector<float> own;
      for (int64_t b = 0; b < r_.batch; ++b) own.insert(own.end(), all.begin() + r_.state_row(d, b), all.begin() + r_.state_row(d, b) + r_.hidden);
      if (std::ranges::all_of(own, [](float v) { return v == 0.0f; })) return std::nullopt;
      return writer.constant(name, Tensor::from<float>(Shape{r_.batch, r_.hidden}, std::span<const float>(own)));
    }
    const int64_t axis = r_.batch_first ? 1 : 0;
    std::vector<int64_t> extents(static_cast<size_t>(r_.directions), 1);
    std::vector<std::string> names(extents.size());
    names[static_cast<size_t>(d)] = name + ".own";
    const ValueId own = writer.parts(name, id, axis, extents, names)[static_cast<size_t>(d)];
    return writer.reshape(name, own, Shape{r_.batch, r_.hidden});
  }

  std::string prefix_of(int64_t d) const { return r_.directions == 1 ? node_.name : format("{}/{}", node_.name, d == 0 ? "forward" : "reverse"); }

  Track direction(int64_t d, ValueId rows) {
    StepWriter writer(graph_, prefix_of(d), std::max(node_.opset, kLeastOpset));
    const CellParameters parameters = cell_parameters(graph_, node_, r_, d, writer);
    const ValueId projected = writer.product("projected", rows, parameters.input_weights, parameters.input_bias);
    std::vector<std::string> names;
    for (int64_t t = 0; t < r_.sequence; ++t) names.push_back(format("step{}/projected", t));
    const auto inputs = writer.parts("steps", projected, 0, std::vector<int64_t>(names.size(), r_.batch), names);
    Track track{.hidden = std::vector<ValueId>(names.size(), kNoValue)};
    track.last = {initial(ops::kInitialHidden, "initial_hidden", d, writer), initial(ops::kInitialCell, "initial_cell", d, writer)};
    for (int64_t i = 0; i < r_.sequence; ++i) {
      const int64_t t = r_.runs_backward(d) ? r_.sequence - 1 - i : i;
      const auto at = static_cast<size_t>(t);
      track.last = write_step(writer, parameters, format("step{}/", t), inputs[at], track.last);
      track.hidden[at] = *track.last.hidden;
    }
    if (output(0) != kNoValue) {
      track.sequence = writer.concat("sequence", track.hidden, 0);
      std::vector<ValueId> shared{*track.sequence};
      shared.insert(shared.end(), track.hidden.begin(), track.hidden.end());
      outcome_.shared_grids.push_back(std::move(shared));
    }
    operators_ += writer.operators();
    return track;
  }

  // `parts`, one a direction, joined along `axis` into an output of the node; `perm` where batches lie in front.
  void finish(ValueId target, const std::string& name, const std::vector<ValueId>& parts, const Shape& each, int64_t axis, const std::vector<int64_t>& perm) {
    if (parts.size() == 1 && !r_.batch_first) {
      const ValueId shape = writer_.constant(name + ".shape", int_tensor(each.dims()));
      return writer_.add_into(target, "Reshape", name, {parts[0], shape});
    }
    std::vector<ValueId> shaped;
    for (size_t d = 0; d < parts.size(); ++d) shaped.push_back(writer_.reshape(format("{}_{}", name, d == 0 ? "forward" : "reverse"), parts[d], each));
    if (!r_.batch_first) return writer_.add_into(target, "Concat", name, shaped, {{"axis", axis}});
    writer_.add_into(target, "Transpose", name, {writer_.concat(name + "_steps_first", shaped, axis)}, {{"perm", perm}});
  }

  void write_sequence(const std::vector<Track>& tracks) {
    if (output(0) == kNoValue) return;
    std::vector<ValueId> parts;
    for (const Track& track : tracks) parts.push_back(*track.sequence);
    finish(output(0), "all_hidden", parts, Shape{r_.sequence, 1, r_.batch, r_.hidden}, 1, {2, 0, 1, 3});
  }

  void write_state(size_t slot, const std::string& name, const std::vector<Track>& tracks, MaybeValue CellState::* member) {
    if (output(slot) == kNoValue) return;
    std::vector<ValueId> parts;
    for (const Track& track : tracks) parts.push_back(*(track.last.*member));
    finish(output(slot), name, parts, Shape{1, r_.batch, r_.hidden}, 0, {1, 0, 2});
  }

  Graph& graph_;
  UnrollOutcome& outcome_;
  const ir::Node node_;  // a copy: the node is erased, and adding nodes moves the others
  const ops::Recurrent& r_;
  StepWriter writer_;    // what both directions share
  int64_t operators_ = 0;
};

const Shape& shape_of_input(const Graph& graph, const ir::Node& node, size_t slot) { return graph.type_of(node.inputs.at(slot)).shape; }

}  // namespace

UnrollOutcome unroll_recurrent(model::ModelState& state) {
  Graph& graph = state.graph;
  UnrollOutcome outcome;
  for (const ir::NodeId id : graph.topological_order()) {
    const ir::Node& node = graph.node(id);
    if (!ops::is_recurrent(node)) continue;
    if (const std::string obstacle = ops::obstacle_to_steps(graph, node); !obstacle.empty()) {
      outcome.left.push_back(format("{}: {}", node.text(), obstacle));
      continue;
    }
    const ops::Recurrent recurrent = ops::read_recurrent(node, shape_of_input(graph, node, ops::kSequence), shape_of_input(graph, node, ops::kInputWeights),
                                                         shape_of_input(graph, node, ops::kRecurrentWeights));
    outcome.nodes.push_back(Unroller(graph, node, recurrent, outcome).run());
  }
  if (!outcome.nodes.empty()) graph.remove_unused();
  return outcome;
}

bool is_step_tensor(std::string_view tensor, std::string_view node) {
  if (!tensor.starts_with(node)) return false;
  std::string_view rest = tensor.substr(node.size());
  for (const std::string_view direction : {"/forward", "/reverse"}) {
    if (rest.starts_with(direction)) rest.remove_prefix(direction.size());
  }
  return rest.starts_with("/step") && rest.size() > 5 && rest[5] >= '0' && rest[5] <= '9';
}

}  // namespace qtool::passes
