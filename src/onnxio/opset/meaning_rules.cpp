// Defaults, names and meanings that changed.
#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "upgrade_rule.h"

namespace qtool::onnxio {

namespace {

using ir::Graph;
using ir::NodeId;
using ir::ValueId;

void drop_unread_outputs(Graph& graph, NodeId id) {
  for (size_t slot = 1; slot < graph.node(id).outputs.size(); ++slot) {
    const ValueId output = graph.node(id).outputs[slot];
    if (output == ir::kNoValue) continue;
    if (!graph.value(output).uses.empty() || graph.is_output(output)) {
      throw Error(ErrorCode::kUnsupported, "outputs of training are read");
    }
    graph.set_output(id, slot, ir::kNoValue);
  }
}

void batch_normalization_9(Graph& graph, NodeId id) {
  ir::Node& node = graph.node(id);
  if (node.attr_int("spatial", 1) == 0) throw Error(ErrorCode::kUnsupported, "attribute 'spatial' is 0");
  node.attributes.erase("spatial");
}

// Before 13 everything from `axis` on was one line. The axis says the same afterwards when only one of these dimensions
// is longer than 1; otherwise the tensor is seen as a matrix for the node.
void softmax_13(Graph& graph, NodeId id) {
  const auto& type = graph.value(graph.node(id).inputs[0]).type;
  if (!type) throw Error(ErrorCode::kUnsupported, "the shape of the input is not known");
  const Shape shape = type->shape;
  const auto rank = static_cast<int64_t>(shape.rank());
  const int64_t given = graph.node(id).attr_int("axis", 1);
  const int64_t first = given < 0 ? given + rank : given;
  int64_t longer = 0, axis = std::min(first, rank - 1);
  for (int64_t d = first; d < rank; ++d) {
    if (shape[static_cast<size_t>(d)] == 1) continue;
    ++longer;
    axis = d;
  }
  if (longer <= 1 && first < rank) {
    graph.node(id).attributes["axis"] = axis;
    return;
  }
  const ValueId input = graph.node(id).inputs[0], output = graph.node(id).outputs[0];
  const std::string name = graph.node(id).name;
  const TensorType matrix{type->dtype, Shape{shape.span_count(0, static_cast<size_t>(first)),
                                             shape.span_count(static_cast<size_t>(first), shape.rank())}};
  const ValueId flat = graph.add_value(graph.unique_name(name + ".matrix"), matrix);
  const ValueId result = graph.add_value(graph.unique_name(name + ".lines"), matrix);
  graph.add_node({.name = graph.unique_name(name + ".flatten"), .op_type = "Flatten", .opset = 13, .inputs = {input},
                  .outputs = {flat}, .attributes = {{"axis", first}}});
  graph.set_input(id, 0, flat);
  graph.set_output(id, 0, result);
  graph.node(id).attributes["axis"] = int64_t{-1};
  const ValueId dims = graph.add_constant(graph.unique_name(name + ".shape"),
                                          Tensor::from<int64_t>({rank}, std::span<const int64_t>(shape.dims())));
  graph.add_node({.name = graph.unique_name(name + ".reshape"), .op_type = "Reshape", .opset = 13,
                  .inputs = {result, dims}, .outputs = {output}});
}

// Since 21 scale and bias have one entry a channel instead of one a group.
void group_normalization_21(Graph& graph, NodeId id) {
  const auto& type = graph.value(graph.node(id).inputs[0]).type;
  if (!type || type->shape.rank() < 2) throw Error(ErrorCode::kUnsupported, "the shape of the input is not known");
  const int64_t channels = type->shape[1];
  for (const size_t slot : {size_t{1}, size_t{2}}) {
    const Tensor* values = graph.constant(graph.node(id).inputs[slot]);
    if (values == nullptr) throw Error(ErrorCode::kUnsupported, "scale or bias is not a constant");
    const int64_t groups = values->element_count();
    if (groups == channels) continue;  // some models gave one a channel before
    if (groups == 0 || channels % groups != 0) {
      throw Error(ErrorCode::kUnsupported, format("{} entries for {} channels", groups, channels));
    }
    const size_t width = dtype_size_bytes(values->dtype());
    Tensor wide(values->dtype(), Shape{channels});
    for (int64_t c = 0; c < channels; ++c) {
      std::copy_n(values->bytes().data() + static_cast<size_t>(c / (channels / groups)) * width, width,
                  static_cast<std::byte*>(wide.mutable_raw()) + static_cast<size_t>(c) * width);
    }
    set_constant_input(graph, id, slot == 1 ? "scale" : "bias", slot, std::move(wide));
  }
}

void grid_sample_20(Graph& graph, NodeId id) {
  ir::Node& node = graph.node(id);
  const std::string mode = node.attr_string("mode", "bilinear");
  node.attributes["mode"] = mode == "bilinear" ? std::string("linear") : mode == "bicubic" ? std::string("cubic") : mode;
}

}  // namespace

void add_meaning_rules(UpgradeRules& rules) {
  rules.push_back({"BatchNormalization", 9, batch_normalization_9});
  rules.push_back({"BatchNormalization", 14, drop_unread_outputs});
  rules.push_back({"Scatter", 11, [](Graph& graph, NodeId id) { graph.node(id).op_type = "ScatterElements"; }});
  for (const char* op_type : {"Softmax", "LogSoftmax", "Hardmax"}) rules.push_back({op_type, 13, softmax_13});
  rules.push_back({"RoiAlign", 16, [](Graph& graph, NodeId id) {
                     graph.node(id).attributes["coordinate_transformation_mode"] = std::string("output_half_pixel");
                   }});
  rules.push_back({"Split", 18, [](Graph& graph, NodeId id) {
                     ir::Node& node = graph.node(id);
                     if (node.inputs.size() > 1 && node.inputs[1] != ir::kNoValue) return;
                     node.attributes["num_outputs"] = static_cast<int64_t>(node.outputs.size());
                   }});
  rules.push_back({"GridSample", 20, grid_sample_20});
  rules.push_back({"GroupNormalization", 21, group_normalization_21});
}

}  // namespace qtool::onnxio
