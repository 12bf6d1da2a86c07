#include "layer_site.h"

#include <optional>

#include "qtool/support/format.h"

namespace qtool::rounding {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr int kMostBits = 8;  // finer grids lose nothing that rounding could give back

struct Described {
  LayerKind kind;
  LayerShape shape;
  bool transposed_weight = false;
};

// nullopt with a reason for what is a layer but cannot be rounded here.
std::optional<Described> describe(const Graph& graph, const Node& node, const Shape& weight, std::string& reason) {
  if (node.op_type == "Conv" || node.op_type == "ConvTranspose") {
    const int64_t groups = node.attr_int("group", 1), taps = weight.span_count(2, weight.rank());
    const bool forward = node.op_type == "Conv";
    if (weight.rank() < 3 || weight.rank() > 5) return reason = "more than three spatial axes", std::nullopt;
    return Described{.kind = forward ? LayerKind::kConv : LayerKind::kConvTranspose,
                     .shape = {.groups = groups, .inputs = (forward ? weight[1] : weight[0] / groups) * taps,
                               .outputs = forward ? weight[0] / groups : weight[1]}};
  }
  if (weight.rank() != 2) return reason = "weight is not a matrix", std::nullopt;
  if (graph.type_of(node.inputs[0]).shape.rank() < 2) return reason = "input is a vector", std::nullopt;
  const bool gemm = node.op_type == "Gemm";
  if (gemm && (node.attr_int("transA", 0) != 0 || node.attr_float("alpha", 1.0f) != 1.0f || node.attr_float("beta", 1.0f) != 1.0f)) {
    return reason = "Gemm with transA, alpha or beta", std::nullopt;
  }
  const bool rows_are_outputs = gemm && node.attr_int("transB", 0) != 0;
  return Described{.kind = LayerKind::kMatrix,
                   .shape = {.groups = 1, .inputs = weight[rows_are_outputs ? 1 : 0], .outputs = weight[rows_are_outputs ? 0 : 1]},
                   .transposed_weight = !rows_are_outputs};
}

ValueId movable_bias(const Graph& graph, const Node& node, int64_t channels) {
  if (node.op_type == "MatMul" || node.inputs.size() < 3 || node.inputs[2] == kNoValue) return kNoValue;
  const ValueId bias = node.inputs[2];
  const Tensor* tensor = graph.constant(bias);
  const bool own = tensor != nullptr && tensor->dtype() == DType::kFloat32 && graph.value(bias).uses.size() == 1;
  return own && tensor->element_count() == channels ? bias : kNoValue;
}

// The convolution can repair the error of the other branch only if nothing non-linear lies between it and the Add.
ValueId skip_operand(const Graph& graph, ValueId output) {
  const NodeId user = graph.single_user(output);
  if (user == ir::kNoNode || graph.node(user).op_type != "Add") return kNoValue;
  const Node& add = graph.node(user);
  const ValueId other = add.inputs[0] == output ? add.inputs[1] : add.inputs[0];
  if (other == output || graph.is_constant(other)) return kNoValue;
  const auto& type = graph.value(other).type;
  return type && *type == graph.type_of(output) ? other : kNoValue;
}

std::optional<LayerSite> site_of(const model::ModelState& state, const Node& node, std::string& reason) {
  const Graph& graph = state.graph;
  const ValueId weight = node.inputs.size() > 1 ? node.inputs[1] : kNoValue;
  const Tensor* tensor = graph.constant(weight);
  if (tensor == nullptr || tensor->dtype() != DType::kFloat32) return reason = "weight is computed", std::nullopt;
  const auto entry = state.encodings.find(weight);
  if (entry == state.encodings.end()) return reason = "left in float", std::nullopt;
  if (entry->second.frozen) return reason = "its encoding is frozen", std::nullopt;
  if (entry->second.encoding.bits > kMostBits) return reason = format("{}-bit weights", entry->second.encoding.bits), std::nullopt;
  if (graph.value(weight).uses.size() != 1) return reason = "weight is shared by several operators", std::nullopt;
  if (!graph.value(node.inputs[0]).type || !graph.value(node.outputs[0]).type) return reason = "shape depends on data", std::nullopt;
  const auto described = describe(graph, node, tensor->shape(), reason);
  if (!described) return std::nullopt;
  LayerSite site{.kind = described->kind, .node = node.id, .input = node.inputs[0], .weight = weight, .output = node.outputs[0],
                 .shape = described->shape, .transposed_weight = described->transposed_weight};
  site.bias = movable_bias(graph, node, site.shape.channels());
  site.activation = activation_after(graph, site.output);
  site.skip = skip_operand(graph, site.output);
  return site;
}

// Calls fn(index in the matrix, index in the tensor).
template <class Fn>
void for_each_weight(const LayerSite& site, const Shape& tensor, Fn&& fn) {
  const LayerShape& s = site.shape;
  const int64_t taps = site.kind == LayerKind::kMatrix ? 1 : tensor.span_count(2, tensor.rank());
  for (int64_t o = 0; o < s.channels(); ++o) {
    const int64_t group = o / s.outputs, within = o % s.outputs;
    for (int64_t k = 0; k < s.inputs; ++k) {
      int64_t at = o * s.inputs + k;
      if (site.transposed_weight) at = k * s.outputs + o;
      if (site.kind == LayerKind::kConvTranspose) {
        at = ((group * (s.inputs / taps) + k / taps) * s.outputs + within) * taps + k % taps;
      }
      fn(static_cast<size_t>(o * s.inputs + k), static_cast<size_t>(at));
    }
  }
}

}  // namespace

LayerList find_layers(const model::ModelState& state) {
  LayerList list;
  for (const NodeId id : state.graph.topological_order()) {
    const Node& node = state.graph.node(id);
    const bool layer = node.domain.empty() && (node.op_type == "Conv" || node.op_type == "ConvTranspose" ||
                                               node.op_type == "Gemm" || node.op_type == "MatMul");
    if (!layer) continue;
    std::string reason;
    if (auto site = site_of(state, node, reason)) list.sites.push_back(std::move(*site));
    else list.skipped.push_back({node.name, reason});
  }
  return list;
}

std::vector<float> weight_matrix(const LayerSite& site, const Tensor& weight) {
  std::vector<float> matrix(static_cast<size_t>(weight.element_count()));
  const auto data = weight.data<float>();
  for_each_weight(site, weight.shape(), [&](size_t to, size_t from) { matrix[to] = data[from]; });
  return matrix;
}

Tensor weight_tensor(const LayerSite& site, const Shape& shape, const std::vector<float>& matrix) {
  Tensor tensor(DType::kFloat32, shape);
  const auto data = tensor.mutable_data<float>();
  for_each_weight(site, shape, [&](size_t from, size_t to) { data[to] = matrix[from]; });
  return tensor;
}

}  // namespace qtool::rounding
