#include <algorithm>
#include <map>

#include "integer_operators.h"
#include "qtool/ops/registry.h"
#include "qtool/passes/read_quantized.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr std::string_view kContrib = "com.microsoft";
constexpr int64_t kSixteenBitOpset = 21;  // where the standard's nodes take what the contrib ones do
constexpr int64_t kPerAxisOpset = 13;

struct GridInputs {
  ValueId scale = kNoValue;
  ValueId zero_point = kNoValue;
};

class Expander {
 public:
  explicit Expander(Graph& graph) : graph_(graph) {}

  size_t run() {
    for (const NodeId id : graph_.topological_order()) {
      adopt_contrib_node(id);
      if (const auto op = integer_operator(graph_, graph_.node(id))) expand(id, *op);
      else if (is_op(graph_.node(id), "QuantizeLinear")) remember(id);
      else if (moves_integers(graph_.node(id))) expand_movement(id);
    }
    return expanded_;
  }

 private:
  void adopt_contrib_node(NodeId id) {
    Node& node = graph_.node(id);
    if (node.domain != kContrib || (node.op_type != "QuantizeLinear" && node.op_type != "DequantizeLinear")) return;
    node.domain.clear();
    node.opset = kSixteenBitOpset;
  }

  void remember(NodeId id) { grids_[graph_.node(id).outputs[0]] = {input_of(graph_.node(id), 1), input_of(graph_.node(id), 2)}; }

  ValueId dequantize(ValueId integers, const GridInputs& grid, int64_t axis) {
    const std::string name = graph_.unique_name(graph_.value(integers).name + "_DequantizeLinear_Output");
    const ValueId result = graph_.add_value(name);
    Node node{.name = name, .op_type = "DequantizeLinear", .opset = kPerAxisOpset, .inputs = {integers, grid.scale, grid.zero_point},
              .outputs = {result}};
    const Tensor* scale = graph_.constant(grid.scale);
    if (scale != nullptr && scale->element_count() > 1) node.attributes["axis"] = axis;
    graph_.add_node(std::move(node));
    return result;
  }

  // `id` becomes a float operator whose result goes through a new QuantizeLinear to what was its output.
  void quantize_result(NodeId id, const GridInputs& grid) {
    const ValueId integers = graph_.node(id).outputs[0];
    const std::string stem = graph_.value(integers).name;
    const ValueId real = graph_.add_value(graph_.unique_name(stem + "_QuantizeLinear_Input"));
    graph_.set_output(id, 0, real);
    if (graph_.value(integers).type) graph_.value(real).type = TensorType{DType::kFloat32, graph_.value(integers).type->shape};
    graph_.add_node({.name = graph_.unique_name(stem + "_QuantizeLinear"), .op_type = "QuantizeLinear", .opset = kPerAxisOpset,
                     .inputs = {real, grid.scale, grid.zero_point}, .outputs = {integers}});
    grids_[integers] = grid;
    ++expanded_;
  }

  // ---- QLinearConv and its like ------------------------------------------------------------------------------

  void expand(NodeId id, const IntegerOperator& op) {
    const Node former = graph_.node(id);
    std::vector<ValueId> inputs;
    for (const size_t slot : op.plain_inputs) inputs.push_back(former.inputs[slot]);
    for (size_t i = 0; i < op.operands.size(); ++i) {
      const QuantizedOperand& operand = op.operands[i];
      inputs.push_back(dequantize(former.inputs[operand.data], {former.inputs[operand.scale], input_of(former, operand.zero_point)},
                                  i == 1 ? op.weight_axis : 0));
    }
    if (op.bias && input_of(former, *op.bias) != kNoValue) inputs.push_back(dequantize_bias(former, op));
    const GridInputs result{former.inputs[op.result_scale], input_of(former, op.result_zero_point)};
    rebuild(id, op, inputs);
    quantize_result(id, result);
  }

  void rebuild(NodeId id, const IntegerOperator& op, const std::vector<ValueId>& inputs) {
    const Node former = graph_.node(id);
    for (size_t slot = 0; slot < former.inputs.size(); ++slot) graph_.set_input(id, slot, slot < inputs.size() ? inputs[slot] : kNoValue);
    Node& node = graph_.node(id);
    node.inputs.resize(inputs.size());  // what is cut off is kNoValue
    node.op_type = op.float_op;
    if (!node.domain.empty()) node.opset = node.op_type == "Softmax" ? former.attr_int("opset", kPerAxisOpset) : kPerAxisOpset;
    node.domain.clear();
    if (!op.dropped_attribute.empty()) node.attributes.erase(op.dropped_attribute);
  }

  ValueId dequantize_bias(const Node& former, const IntegerOperator& op) {
    const std::vector<float> input = graph_.constant(former.inputs[op.operands[0].scale])->to_float();
    std::vector<float> scales = graph_.constant(former.inputs[op.operands[1].scale])->to_float();
    for (float& scale : scales) scale *= input.at(0);
    const auto count = static_cast<int64_t>(scales.size());
    const ValueId scale = add_constant(graph_, former.name + ".bias_scale",
                                       Tensor::from<float>(count == 1 ? Shape{} : Shape{count}, std::span<const float>(scales)));
    return dequantize(former.inputs[*op.bias], {scale, kNoValue}, 0);
  }

  // ---- operators that move integers --------------------------------------------------------------------------

  bool moves_integers(const Node& node) const {
    if (!node.domain.empty() || node.inputs.empty() || node.outputs.size() != 1 || !grids_.contains(node.inputs[0])) return false;
    const Tensor* scale = graph_.constant(grids_.at(node.inputs[0]).scale);
    if (scale == nullptr || scale->element_count() != 1) return false;
    if (node.op_type == "Pad") return false;  // its padding value would have to be told apart from its pads
    if (node.op_type == "Resize") return node.attr_string("mode", "nearest") == "nearest";
    const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
    return def != nullptr && def->traits.flow == ops::ValueFlow::kMovesData;
  }

  void expand_movement(NodeId id) {
    const ValueId integers = graph_.node(id).inputs[0];
    const GridInputs grid = grids_.at(integers);
    graph_.set_input(id, 0, dequantize(integers, grid, 0));
    quantize_result(id, grid);
  }

  Graph& graph_;
  std::map<ValueId, GridInputs> grids_;  // of integer values
  size_t expanded_ = 0;
};

}  // namespace

size_t expand_integer_operators(Graph& graph) { return Expander(graph).run(); }

}  // namespace qtool::passes
