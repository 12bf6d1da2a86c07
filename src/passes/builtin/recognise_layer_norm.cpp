// Names the layer normalization that is spelled out.
// BEFORE   d = x - ReduceMean(x);  d / Sqrt(ReduceMean(d^2) + eps) * gamma + beta        AFTER   x -> LayerNormalization -> y
//          d^2 as Pow(d, 2) or Mul(d, d); gamma, or both, may be missing
// REQUIRES 1. both means over the same trailing axes, with keepdims  2. gamma and beta are float32 constants of the
//          shape of these axes (leading ones allowed)  3. inner results have no other reader
// FORMULA  -
// SOURCE   Ba et al. 2016, "Layer Normalization"; ONNX operator LayerNormalization (opset 17)
#include <algorithm>

#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr int64_t kReduceMeanAxesAreInputSince = 18;

// The first of the trailing axes that the node averages over; nullopt when it is no such mean.
std::optional<size_t> trailing_mean_axis(const Graph& graph, const Node& node) {
  const TensorType* type = known_type(graph, node.inputs[0]);
  const auto axes = int_list(graph, node, "axes", 1, kReduceMeanAxesAreInputSince);
  if (type == nullptr || type->dtype != DType::kFloat32 || !axes || axes->empty()) return std::nullopt;
  if (node.attr_int("keepdims", 1) == 0) return std::nullopt;
  std::vector<size_t> sorted;
  for (const int64_t axis : *axes) sorted.push_back(type->shape.normalize_axis(axis));
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != type->shape.rank() - sorted.size() + i) return std::nullopt;
  }
  return sorted.front();
}

struct Normalization {
  ValueId source = kNoValue;
  size_t first_axis = 0;
  double epsilon = 0.0;
};

// d = x - mean(x)
std::optional<Normalization> match_distance(const Graph& graph, ValueId distance) {
  const Node* difference = producer_of(graph, distance, "Sub");
  if (difference == nullptr) return std::nullopt;
  const Node* mean = single_producer_of(graph, difference->inputs[1], "ReduceMean");
  if (mean == nullptr || mean->inputs[0] != difference->inputs[0]) return std::nullopt;
  const auto axis = trailing_mean_axis(graph, *mean);
  if (!axis) return std::nullopt;
  return Normalization{.source = difference->inputs[0], .first_axis = *axis};
}

// True when `square` is d^2 and d has no readers but that and one more.
bool is_square_of(const Graph& graph, ValueId square, ValueId distance) {
  if (graph.is_output(distance)) return false;
  const size_t readers = graph.value(distance).uses.size();
  if (const Node* power = single_producer_of(graph, square, "Pow")) {
    return power->inputs[0] == distance && is_scalar(graph, power->inputs[1], 2.0) && readers == 2;
  }
  const Node* product = single_producer_of(graph, square, "Mul");
  return product != nullptr && product->inputs[0] == distance && product->inputs[1] == distance && readers == 3;
}

// d / sqrt(mean(d^2) + eps)
std::optional<Normalization> match_quotient(const Graph& graph, const Node& quotient) {
  if (!is_op(quotient, "Div")) return std::nullopt;
  auto found = match_distance(graph, quotient.inputs[0]);
  const Node* root = single_producer_of(graph, quotient.inputs[1], "Sqrt");
  const Node* sum = found && root != nullptr ? single_producer_of(graph, root->inputs[0], "Add") : nullptr;
  const auto epsilon = sum != nullptr ? scalar_operand(graph, *sum) : std::nullopt;
  const Node* variance = epsilon ? single_producer_of(graph, epsilon->other, "ReduceMean") : nullptr;
  if (variance == nullptr || trailing_mean_axis(graph, *variance) != found->first_axis) return std::nullopt;
  if (!is_square_of(graph, variance->inputs[0], quotient.inputs[0])) return std::nullopt;
  found->epsilon = epsilon->scalar;
  return found;
}

// A constant of the shape of the normalized axes.
struct Parameter {
  ValueId original = kNoValue;
  Tensor tensor;
};

// The only reader of `value`, if it is `op_type` with a fitting constant.
struct ParameterStep {
  Parameter parameter;
  ValueId output;
};
std::optional<ParameterStep> match_parameter(const Graph& graph, ValueId value, std::string_view op_type, const Shape& axes) {
  const NodeId user = graph.single_user(value);
  if (user == ir::kNoNode || !is_op(graph.node(user), op_type)) return std::nullopt;
  const Node& node = graph.node(user);
  const ValueId original = node.inputs[node.inputs[0] == value ? 1 : 0];
  const Tensor* constant = graph.constant(original);
  if (constant == nullptr || constant->dtype() != DType::kFloat32 || constant->element_count() != axes.element_count()) return std::nullopt;
  if (!same_known_type(graph, value, node.outputs[0])) return std::nullopt;
  std::vector<int64_t> dims = constant->shape().dims();
  if (dims.size() < axes.rank()) dims.insert(dims.begin(), axes.rank() - dims.size(), 1);
  if (!std::equal(axes.begin(), axes.end(), dims.end() - static_cast<std::ptrdiff_t>(axes.rank()))) return std::nullopt;
  return ParameterStep{{original, constant->reshaped(axes)}, node.outputs[0]};
}

Tensor ones(const Shape& shape) {
  Tensor result(DType::kFloat32, shape);
  std::fill(result.mutable_data<float>().begin(), result.mutable_data<float>().end(), 1.0f);
  return result;
}

bool recognise(model::ModelState& state, NodeId id) {
  Graph& graph = state.graph;
  const auto found = match_quotient(graph, graph.node(id));
  if (!found) return false;
  const std::string name = graph.node(id).name;
  const Shape& full = graph.type_of(found->source).shape;
  const Shape axes(std::vector<int64_t>(full.begin() + static_cast<std::ptrdiff_t>(found->first_axis), full.end()));
  const auto axis = -static_cast<int64_t>(axes.rank());

  ValueId output = graph.node(id).outputs[0];
  std::vector<ValueId> inputs{found->source};
  const auto gamma = match_parameter(graph, output, "Mul", axes);
  if (gamma) {
    inputs.push_back(own_constant(graph, gamma->parameter.original, gamma->parameter.tensor, name + ".scale"));
    output = gamma->output;
  } else {
    inputs.push_back(add_constant(graph, name + ".scale", ones(axes)));
  }
  if (const auto beta = match_parameter(graph, output, "Add", axes)) {
    inputs.push_back(own_constant(graph, beta->parameter.original, beta->parameter.tensor, name + ".bias"));
    output = beta->output;
  }
  replace_producer(graph, output, {.op_type = "LayerNormalization",
                                   .first_opset = 17,
                                   .inputs = std::move(inputs),
                                   .attributes = {{"axis", axis}, {"epsilon", static_cast<float>(found->epsilon)}}});
  return true;
}

}  // namespace

void register_recognise_layer_norm(Registry& registry) {
  registry.add_rewrite({.name = "recognise_layer_norm",
                        .summary = "Names a LayerNormalization that is spelled out with ReduceMean, Sub, Sqrt and Div.",
                        .category = PassCategory::kCleanup,
                        .order = 41},
                       recognise);
}

}  // namespace qtool::passes
