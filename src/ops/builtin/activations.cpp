// Element-wise activations of one floating-point input, parameters as attributes; computed in double.
// Relu, which also takes integers, is in relu.cpp.
#include <cmath>
#include <numbers>

#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

using ir::Node;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
// log(1 + exp(x)) without overflow for large x or cancellation for very negative x.
double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// `bind` reads the attributes of a node and returns its function of one double.
template <class Bind>
OpDef activation(const char* type, int64_t first_opset, Bind bind) {
  return {.type = type,
          .first_opset = first_opset,
          .infer = [](const InferContext& context) -> InferredTypes {
            require_floating(context.dtype(0));
            return {context.type(0)};
          },
          .evaluate = [bind](const EvalContext& context) -> std::vector<Tensor> {
            const Tensor& input = context.input(0);
            const auto function = bind(context.node());
            Tensor result(input.type());
            dispatch_floating(input.dtype(), [&]<class T>() { map_elements<T, T>(input, result, function); });
            return {std::move(result)};
          },
          .traits = {.is_activation = true}};
}

auto leaky_relu(const Node& node) {
  return [alpha = double{node.attr_float("alpha", 0.01f)}](double x) { return x < 0 ? alpha * x : x; };
}

auto elu(const Node& node) {
  return [alpha = double{node.attr_float("alpha", 1.0f)}](double x) { return x < 0 ? alpha * std::expm1(x) : x; };
}

auto celu(const Node& node) {
  return [alpha = double{node.attr_float("alpha", 1.0f)}](double x) {
    return x < 0 ? alpha * std::expm1(x / alpha) : x;
  };
}

auto selu(const Node& node) {
  const double alpha = node.attr_float("alpha", 1.67326319217681884765625f);
  const double gamma = node.attr_float("gamma", 1.05070102214813232421875f);
  return [=](double x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); };
}

auto thresholded_relu(const Node& node) {
  return [alpha = double{node.attr_float("alpha", 1.0f)}](double x) { return x > alpha || std::isnan(x) ? x : 0.0; };
}

auto hard_sigmoid(const Node& node) {
  const double alpha = node.attr_float("alpha", 0.2f), beta = node.attr_float("beta", 0.5f);
  return [=](double x) {
    const double y = alpha * x + beta;
    return y < 0 ? 0.0 : y > 1 ? 1.0 : y;
  };
}

auto hard_swish(const Node&) {
  return [](double x) {
    const double gate = x / 6.0 + 0.5;
    return x * (gate < 0 ? 0.0 : gate > 1 ? 1.0 : gate);
  };
}

// Gelu(x) = x * P(X <= x) for a standard normal X; "tanh" is the usual approximation.
auto gelu(const Node& node) {
  const std::string approximate = node.attr_string("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    invalid_model("attribute approximate is '{}', expected 'none' or 'tanh'", approximate);
  }
  return [by_tanh = approximate == "tanh"](double x) {
    constexpr double kSqrtTwoOverPi = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const double gate = by_tanh ? std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)) : std::erf(x / std::numbers::sqrt2);
    return 0.5 * x * (1.0 + gate);
  };
}

auto swish(const Node& node) {
  return [alpha = double{node.attr_float("alpha", 1.0f)}](double x) { return x * sigmoid(alpha * x); };
}

template <double (*function)(double)>
auto plain(const Node&) {
  return [](double x) { return function(x); };
}

double mish(double x) { return x * std::tanh(softplus(x)); }
double softsign(double x) { return x / (1.0 + std::fabs(x)); }
double hyperbolic_tangent(double x) { return std::tanh(x); }

}  // namespace

void register_activations(Registry& registry) {
  registry.add(activation("LeakyRelu", 6, leaky_relu));
  registry.add(activation("Elu", 6, elu));
  registry.add(activation("Celu", 12, celu));
  registry.add(activation("Selu", 6, selu));
  registry.add(activation("ThresholdedRelu", 10, thresholded_relu));
  registry.add(activation("Sigmoid", 6, plain<sigmoid>));
  registry.add(activation("HardSigmoid", 6, hard_sigmoid));
  registry.add(activation("HardSwish", 14, hard_swish));
  registry.add(activation("Softplus", 1, plain<softplus>));
  registry.add(activation("Softsign", 1, plain<softsign>));
  registry.add(activation("Tanh", 6, plain<hyperbolic_tangent>));
  registry.add(activation("Gelu", 20, gelu));
  registry.add(activation("Mish", 18, plain<mish>));
  registry.add(activation("Swish", 24, swish));
}

}  // namespace qtool::ops
