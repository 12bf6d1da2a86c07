#include "grid_node.h"

#include <algorithm>

#include "qtool/passes/rewrite.h"
#include "qtool/quant/onnx_storage.h"
#include "qtool/support/error.h"

namespace qtool::passes {

namespace {

std::optional<GridNode> refuse(std::string* reason, std::string text) {
  if (reason != nullptr) *reason = std::move(text);
  return std::nullopt;
}

// The type of the integers: of the zero point where there is one.
std::optional<DType> stored_type(const ir::Graph& graph, const ir::Node& node) {
  if (const Tensor* zero = constant_input(graph, node, 2)) return zero->dtype();
  const ir::ValueId integers = is_quantize(node) ? node.outputs[0] : node.inputs[0];
  const TensorType* type = known_type(graph, integers);
  return type == nullptr ? std::nullopt : std::optional(type->dtype);
}

}  // namespace

bool GridNode::operator==(const GridNode& other) const {
  const auto same = [](const quant::Grid& a, const quant::Grid& b) { return a.scale == b.scale && a.offset == b.offset; };
  return dtype == other.dtype && encoding.channel_axis == other.encoding.channel_axis &&
         std::equal(encoding.grids.begin(), encoding.grids.end(), other.encoding.grids.begin(), other.encoding.grids.end(), same);
}

bool is_quantize(const ir::Node& node) { return is_op(node, "QuantizeLinear"); }
bool is_dequantize(const ir::Node& node) { return is_op(node, "DequantizeLinear"); }

std::optional<GridNode> grid_of(const ir::Graph& graph, const ir::Node& node, std::string* reason) {
  const Tensor* scale = constant_input(graph, node, 1);
  if (scale == nullptr) return refuse(reason, "the scale is not a constant");
  if (scale->dtype() != DType::kFloat32) return refuse(reason, "the scale is not float32");
  if (node.attr_int("block_size", 0) != 0) return refuse(reason, "the scale varies by block");
  const bool has_zero_point = input_of(node, 2) != ir::kNoValue;
  if (has_zero_point && constant_input(graph, node, 2) == nullptr) return refuse(reason, "the zero point is not a constant");
  const TensorType* data = known_type(graph, node.inputs.at(0));
  const auto dtype = stored_type(graph, node);
  if (data == nullptr || !dtype) return refuse(reason, "the type of the data is not known");
  const std::vector<int64_t> zero_points = has_zero_point ? constant_input(graph, node, 2)->to_int64() : std::vector<int64_t>{};
  const bool per_axis = scale->element_count() > 1;
  const int axis = per_axis ? static_cast<int>(data->shape.normalize_axis(node.attr_int("axis", 1))) : -1;
  try {
    return GridNode{quant::encoding_of_storage(*dtype, scale->to_float(), zero_points, axis), *dtype};
  } catch (Error& error) {
    error.with("node", node.text());
    throw;
  }
}

}  // namespace qtool::passes
