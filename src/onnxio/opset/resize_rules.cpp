// Upsample and Resize.
#include <algorithm>

#include "qtool/support/error.h"
#include "upgrade_rule.h"

namespace qtool::onnxio {

namespace {

using ir::Graph;
using ir::NodeId;

// Version 10 took the next lower index when enlarging and the next higher when shrinking.
std::string nearest_mode_of_version_10(const Graph& graph, const ir::Node& node) {
  const Tensor* constant = graph.constant(node.inputs.at(1));
  if (constant == nullptr) throw Error(ErrorCode::kUnsupported, "the scales are not constant");
  const std::vector<float> scales = constant->to_float();
  const auto [low, high] = std::minmax_element(scales.begin(), scales.end());
  if (scales.empty() || *low >= 1.0f) return "floor";
  if (*high <= 1.0f) return "ceil";
  throw Error(ErrorCode::kUnsupported, "it enlarges one axis and shrinks another");
}

void resize_11(Graph& graph, NodeId id) {
  const std::string mode = graph.node(id).attr_string("mode", "nearest");
  const std::string nearest = mode == "nearest" ? nearest_mode_of_version_10(graph, graph.node(id)) : "";
  const ir::ValueId scales = graph.node(id).inputs.at(1);
  graph.set_input(id, 1, ir::kNoValue);  // roi
  graph.set_input(id, 2, scales);
  ir::Node& node = graph.node(id);
  node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
  if (mode == "bilinear") node.attributes["mode"] = std::string("linear");
  if (!nearest.empty()) node.attributes["nearest_mode"] = nearest;
}

// tf_half_pixel_for_nn lies half a pixel above half_pixel: the lower index there is the nearest one here.
void resize_13(Graph& graph, NodeId id) {
  ir::Node& node = graph.node(id);
  if (node.attr_string("coordinate_transformation_mode", "half_pixel") != "tf_half_pixel_for_nn") return;
  const std::string nearest = node.attr_string("nearest_mode", "round_prefer_floor");
  const bool lower = nearest == "floor", upper = nearest == "round_prefer_floor";
  if (node.attr_string("mode", "nearest") != "nearest" || (!lower && !upper)) {
    throw Error(ErrorCode::kUnsupported, "coordinate_transformation_mode is 'tf_half_pixel_for_nn'");
  }
  node.attributes["coordinate_transformation_mode"] = std::string("half_pixel");
  node.attributes["nearest_mode"] = std::string(lower ? "round_prefer_ceil" : "ceil");
}

}  // namespace

void add_resize_rules(UpgradeRules& rules) {
  rules.push_back({"Upsample", 9, [](Graph& graph, NodeId id) { attribute_to_input(graph, id, "scales", 1); }});
  rules.push_back({"Upsample", 10, [](Graph& graph, NodeId id) { graph.node(id).op_type = "Resize"; }});
  rules.push_back({"Resize", 11, resize_11});
  rules.push_back({"Resize", 13, resize_13});
}

}  // namespace qtool::onnxio
