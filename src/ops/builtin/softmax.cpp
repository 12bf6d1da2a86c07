// Softmax, LogSoftmax, Hardmax: since opset 13 along one axis (default -1); before, over everything from `axis`
// (default 1) on, the input seen as a matrix.
#include <algorithm>
#include <cmath>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

constexpr int64_t kSingleAxisSince = 13;

template <class Context>
AxisView lines(const Context& context) {
  const Shape& shape = operand_shape(context, 0);
  const ir::Node& node = context.node();
  if (node.opset >= kSingleAxisSince) {
    const int64_t axis = node.attr_int("axis", -1);
    if (shape.rank() == 0 && (axis == -1 || axis == 0)) return {};
    return view_around(shape, shape.normalize_axis(axis));
  }
  const auto rank = static_cast<int64_t>(shape.rank());
  const int64_t axis = node.attr_int("axis", 1);
  if (axis < -rank || axis > rank) invalid_model("axis {} is outside a tensor of shape {}", axis, shape.text());
  const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return {shape.span_count(0, at), shape.span_count(at, shape.rank()), 1};
}

struct Softmax {
  static void run(const std::vector<double>& line, std::vector<double>& result) {
    const double largest = *std::max_element(line.begin(), line.end());
    double sum = 0.0;
    for (size_t k = 0; k < line.size(); ++k) sum += result[k] = std::exp(line[k] - largest);
    for (double& value : result) value /= sum;
  }
};

struct LogSoftmax {
  static void run(const std::vector<double>& line, std::vector<double>& result) {
    const double largest = *std::max_element(line.begin(), line.end());
    double sum = 0.0;
    for (const double value : line) sum += std::exp(value - largest);
    const double log_sum = std::log(sum);
    for (size_t k = 0; k < line.size(); ++k) result[k] = line[k] - largest - log_sum;
  }
};

struct Hardmax {
  static void run(const std::vector<double>& line, std::vector<double>& result) {
    std::fill(result.begin(), result.end(), 0.0);
    result[static_cast<size_t>(std::max_element(line.begin(), line.end()) - line.begin())] = 1.0;
  }
};

template <class Function>
std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(input.type());
  const AxisView view = lines(context);
  if (result.empty()) return {std::move(result)};
  std::vector<double> line(static_cast<size_t>(view.length)), values(line.size());
  dispatch_floating(input.dtype(), [&]<class T>() {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const int64_t first = o * view.length * view.inner + i;
        const T* source = elements<T>(input) + first;
        T* target = mutable_elements<T>(result) + first;
        for (int64_t k = 0; k < view.length; ++k) line[static_cast<size_t>(k)] = static_cast<double>(source[k * view.inner]);
        Function::run(line, values);
        for (int64_t k = 0; k < view.length; ++k) target[k * view.inner] = static_cast<T>(values[static_cast<size_t>(k)]);
      }
    }
  });
  return {std::move(result)};
}

template <class Function>
OpDef line_function(const char* type) {
  return {.type = type,
          .infer = [](const InferContext& context) -> InferredTypes {
            require_floating(context.dtype(0));
            (void)lines(context);
            return {context.type(0)};
          },
          .evaluate = evaluate<Function>};
}

}  // namespace

void register_softmax(Registry& registry) {
  registry.add(line_function<Softmax>("Softmax"));
  registry.add(line_function<LogSoftmax>("LogSoftmax"));
  registry.add(line_function<Hardmax>("Hardmax"));
}

}  // namespace qtool::ops
