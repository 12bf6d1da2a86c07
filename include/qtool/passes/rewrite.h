// Matching and editing steps that passes share. Operators are those of the ai.onnx domain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::passes {

// --- Matching -------------------------------------------------------------------------------------------------------

[[nodiscard]] bool is_op(const ir::Node& node, std::string_view op_type);

// kNoValue when the slot is left out.
[[nodiscard]] ir::ValueId input_of(const ir::Node& node, size_t slot);
[[nodiscard]] const Tensor* constant_input(const ir::Graph& graph, const ir::Node& node, size_t slot);

// The node of that type whose output 0 is `value`; nullptr otherwise.
[[nodiscard]] const ir::Node* producer_of(const ir::Graph& graph, ir::ValueId value, std::string_view op_type);
// The same, and `value` is read once and no graph output: it disappears when its reader absorbs the node.
[[nodiscard]] const ir::Node* single_producer_of(const ir::Graph& graph, ir::ValueId value, std::string_view op_type);

// True when an output behind the first is read.
[[nodiscard]] bool uses_extra_outputs(const ir::Graph& graph, const ir::Node& node);

// Type where it is settled, else nullptr.
[[nodiscard]] const TensorType* known_type(const ir::Graph& graph, ir::ValueId value);
[[nodiscard]] bool same_known_type(const ir::Graph& graph, ir::ValueId a, ir::ValueId b);

// The value of a floating-point constant with one element.
[[nodiscard]] std::optional<double> scalar_constant(const ir::Graph& graph, ir::ValueId value);
// Such a constant within 1e-5 (relative) of `expected`: exporters round pi, sqrt(2), 1/6 to float32.
[[nodiscard]] bool is_scalar(const ir::Graph& graph, ir::ValueId value, double expected);

// For commutative nodes with two inputs: the slot of the scalar constant and its value.
struct ScalarOperand {
  double scalar;
  ir::ValueId other;
};
[[nodiscard]] std::optional<ScalarOperand> scalar_operand(const ir::Graph& graph, const ir::Node& node);

// A list of integers that is an attribute before opset `input_since` and a constant input since; nullopt when it is
// left out or not constant.
[[nodiscard]] std::optional<std::vector<int64_t>> int_list(const ir::Graph& graph, const ir::Node& node,
                                                           std::string_view attribute, size_t slot, int64_t input_since);
// True when the list is neither an attribute nor an input.
[[nodiscard]] bool int_list_absent(const ir::Node& node, std::string_view attribute, size_t slot, int64_t input_since);

// The operand of an element-wise operator as one number per index of `axis`, when it is constant along all other axes
// of `result` and does not broaden it. One element counts.
[[nodiscard]] std::optional<std::vector<double>> per_channel_constant(const Tensor& operand, const Shape& result,
                                                                      size_t axis);

// --- Editing --------------------------------------------------------------------------------------------------------

// Removes the producers of `value` that nobody needs any more.
void prune(ir::Graph& graph, ir::ValueId value);

// `node` takes the place of the producer of `value`: its output 0 becomes `value`, the former producer is erased. What
// was known about the old output is now said of `value`.
void take_output(model::ModelState& state, ir::NodeId node, ir::ValueId value);

// A new node takes the place of the producer of `value`. Name and opset (at least `first_opset`) come from that
// producer.
struct Replacement {
  std::string_view op_type;
  int64_t first_opset = 1;
  std::vector<ir::ValueId> inputs;
  std::map<std::string, ir::Attribute, std::less<>> attributes = {};
};
ir::NodeId replace_producer(ir::Graph& graph, ir::ValueId value, Replacement replacement);

// Readers of `from` read `to` instead and the producer of `from` goes away. If `from` is a graph output, `to` takes
// its name. False, and no change, when that is impossible: `to` is itself a graph input, a graph output or a constant.
[[nodiscard]] bool redirect(ir::Graph& graph, ir::ValueId from, ir::ValueId to);

// A constant with the content `tensor` in place of `original`: that value itself, with its name, when it is a constant
// with at most one reader; else a new one named after `stem`, so that other readers keep what they have.
[[nodiscard]] ir::ValueId own_constant(ir::Graph& graph, ir::ValueId original, Tensor tensor, std::string_view stem);

// own_constant for an input slot of `node`.
ir::ValueId set_own_constant(ir::Graph& graph, ir::NodeId node, size_t slot, Tensor tensor, std::string_view stem);

// A list of integers as operators take it: one axis.
[[nodiscard]] Tensor int_tensor(std::span<const int64_t> values);

[[nodiscard]] ir::ValueId add_constant(ir::Graph& graph, std::string_view stem, Tensor tensor);

}  // namespace qtool::passes
