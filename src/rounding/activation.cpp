#include "activation.h"

#include <cmath>
#include <limits>

#include "qtool/tensor/simd.h"

namespace qtool::rounding {

namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using Kind = Activation::Kind;

bool is_silu(const Graph& graph, ValueId value) {
  const auto& uses = graph.value(value).uses;
  if (uses.size() != 2 || graph.is_output(value)) return false;
  for (const NodeId id : uses) {
    const Node& sigmoid = graph.node(id);
    if (sigmoid.op_type != "Sigmoid") continue;
    const NodeId mul = graph.single_user(sigmoid.outputs[0]);
    if (mul != ir::kNoNode && graph.node(mul).op_type == "Mul" && (uses[0] == mul || uses[1] == mul)) return true;
  }
  return false;
}

float bound(const Graph& graph, const Node& node, size_t slot, std::string_view attribute, float fallback) {
  if (slot < node.inputs.size() && node.inputs[slot] != ir::kNoValue) {
    const Tensor* value = graph.constant(node.inputs[slot]);
    return value != nullptr && value->element_count() == 1 ? value->to_float()[0] : std::numeric_limits<float>::quiet_NaN();
  }
  return node.attr_float(attribute, fallback);
}

float logistic(float x) { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

Activation activation_after(const Graph& graph, ValueId value) {
  if (is_silu(graph, value)) return {.kind = Kind::kSilu};
  const NodeId user = graph.single_user(value);
  if (user == ir::kNoNode) return {};
  const Node& node = graph.node(user);
  if (node.op_type == "Relu") return {.kind = Kind::kRelu};
  if (node.op_type == "LeakyRelu") return {.kind = Kind::kLeakyRelu, .slope = node.attr_float("alpha", 0.01f)};
  if (node.op_type == "Sigmoid") return {.kind = Kind::kSigmoid};
  if (node.op_type == "HardSwish") return {.kind = Kind::kHardSwish};
  if (node.op_type == "Tanh") return {.kind = Kind::kTanh};
  if (node.op_type != "Clip") return {};
  const float lo = bound(graph, node, 1, "min", -std::numeric_limits<float>::infinity());
  const float hi = bound(graph, node, 2, "max", std::numeric_limits<float>::infinity());
  if (!(lo <= hi)) return {};
  return {.kind = Kind::kClip, .lo = lo, .hi = hi};
}

void activate(const Activation& activation, std::span<float> values) {
  const simd::Kernels& k = simd::kernels();
  float* x = values.data();
  const auto n = static_cast<int64_t>(values.size());
  switch (activation.kind) {
    case Kind::kNone: return;
    case Kind::kRelu: return k.relu(x, x, n);
    case Kind::kClip: return k.clip(x, x, n, activation.lo, activation.hi);
    case Kind::kLeakyRelu: return k.leaky_relu(x, x, n, activation.slope);
    case Kind::kSigmoid: return k.sigmoid(x, x, n);
    case Kind::kSilu: return k.silu(x, nullptr, x, n);
    case Kind::kHardSwish: return k.hard_swish(x, x, n);
    case Kind::kTanh: return k.tanh(x, x, n);
  }
}

float derivative(const Activation& activation, float x) {
  switch (activation.kind) {
    case Kind::kNone: return 1.0f;
    case Kind::kRelu: return x > 0.0f ? 1.0f : 0.0f;
    case Kind::kClip: return x > activation.lo && x < activation.hi ? 1.0f : 0.0f;
    case Kind::kLeakyRelu: return x > 0.0f ? 1.0f : activation.slope;
    case Kind::kSigmoid: return logistic(x) * (1.0f - logistic(x));
    case Kind::kSilu: return logistic(x) * (1.0f + x * (1.0f - logistic(x)));
    case Kind::kHardSwish: return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x / 3.0f + 0.5f;
    case Kind::kTanh: return 1.0f - std::tanh(x) * std::tanh(x);
  }
  return 1.0f;
}

}  // namespace qtool::rounding
