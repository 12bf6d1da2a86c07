#include "step_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "qtool/passes/rewrite.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::passes {

using ir::ValueId;

namespace {

Shape with_extent(const Shape& shape, int64_t axis, int64_t extent) {
  std::vector<int64_t> dims = shape.dims();
  dims[static_cast<size_t>(axis)] = extent;
  return Shape(dims);
}

}  // namespace

ValueId StepWriter::add_result(const std::string& name, Shape shape) {
  return graph_.add_value(graph_.unique_name(full(name)), TensorType{DType::kFloat32, std::move(shape)});
}

void StepWriter::add_node(std::string_view op_type, const std::string& name, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                          Attributes attributes) {
  graph_.add_node({.name = full(name), .op_type = std::string(op_type), .opset = opset_, .inputs = std::move(inputs),
                   .outputs = std::move(outputs), .attributes = std::move(attributes)});
  ++operators_;
}

ValueId StepWriter::add(std::string_view op_type, const std::string& name, std::vector<ValueId> inputs, Shape shape, Attributes attributes) {
  const ValueId result = add_result(name, std::move(shape));
  add_node(op_type, name, std::move(inputs), {result}, std::move(attributes));
  return result;
}

void StepWriter::add_into(ValueId target, std::string_view op_type, const std::string& name, std::vector<ValueId> inputs, Attributes attributes) {
  add_node(op_type, name, std::move(inputs), {target}, std::move(attributes));
}

ValueId StepWriter::constant(const std::string& name, const Tensor& tensor) {
  const auto [at, is_new] = constants_.try_emplace(name, ir::kNoValue);
  if (is_new) at->second = add_constant(graph_, full(name), tensor);
  return at->second;
}

ValueId StepWriter::binary(std::string_view op_type, const std::string& name, ValueId a, ValueId b) {
  return add(op_type, name, {a, b}, shape(a));
}

ValueId StepWriter::reshape(const std::string& name, ValueId value, const Shape& target) {
  return add("Reshape", name, {value, constant(name + ".shape", int_tensor(target.dims()))}, target);
}

ValueId StepWriter::transpose(const std::string& name, ValueId value, const std::vector<int64_t>& perm) {
  std::vector<int64_t> dims;
  for (const int64_t axis : perm) dims.push_back(shape(value)[static_cast<size_t>(axis)]);
  return add("Transpose", name, {value}, Shape(dims), {{"perm", perm}});
}

ValueId StepWriter::product(const std::string& name, ValueId x, ValueId weights, MaybeValue bias) {
  std::vector<ValueId> inputs{x, weights};
  if (bias) inputs.push_back(*bias);
  return add("Gemm", name, std::move(inputs), Shape{shape(x)[0], shape(weights)[0]}, {{"transB", int64_t{1}}});
}

ValueId StepWriter::concat(const std::string& name, const std::vector<ValueId>& parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  int64_t extent = 0;
  for (const ValueId part : parts) extent += shape(part)[static_cast<size_t>(axis)];
  return add("Concat", name, parts, with_extent(shape(parts[0]), axis, extent), {{"axis", axis}});
}

ValueId StepWriter::slice(const std::string& name, ValueId value, int64_t axis, int64_t begin, int64_t extent) {
  const auto number = [&](int64_t n) { return constant(format("at_{}", n), int_tensor(std::array{n})); };
  return add("Slice", name, {value, number(begin), number(begin + extent), number(axis)}, with_extent(shape(value), axis, extent));
}

std::vector<ValueId> StepWriter::parts(const std::string& name, ValueId value, int64_t axis, const std::vector<int64_t>& extents,
                                       const std::vector<std::string>& names) {
  QTOOL_CHECK(extents.size() == names.size());
  std::vector<ValueId> pieces;
  if (extents.size() == 1) return {value};
  if (std::ranges::any_of(names, &std::string::empty)) {
    int64_t begin = 0;
    for (size_t i = 0; i < extents.size(); begin += extents[i++]) {
      pieces.push_back(names[i].empty() ? ir::kNoValue : slice(names[i], value, axis, begin, extents[i]));
    }
    return pieces;
  }
  for (size_t i = 0; i < extents.size(); ++i) pieces.push_back(add_result(names[i], with_extent(shape(value), axis, extents[i])));
  std::string lengths = "split";
  for (const int64_t extent : extents) lengths += format("_{}", extent);
  add_node("Split", name, {value, constant(lengths, int_tensor(extents))}, pieces, {{"axis", axis}});
  return pieces;
}

ValueId StepWriter::scaled(const std::string& name, ValueId x, double factor) {
  if (factor == 1.0) return x;
  return binary("Mul", name, x, constant(format("number_{}", factor), Tensor::scalar(static_cast<float>(factor))));
}

ValueId StepWriter::activation(const std::string& name, ValueId x, const ops::RecurrentActivation& function) {
  const double alpha = function.alpha, beta = function.beta;
  if (function.name == "ScaledTanh") {
    const ValueId inner = scaled(name + ".inner", x, beta);
    return scaled(name, add("Tanh", name + ".tanh", {inner}, shape(x)), alpha);
  }
  if (function.name == "Affine") {
    const ValueId product = scaled(name + ".scaled", x, alpha);
    return binary("Add", name, product, constant(format("number_{}", beta), Tensor::scalar(static_cast<float>(beta))));
  }
  Attributes attributes;
  static constexpr std::array<std::string_view, 4> kWithAlpha = {"LeakyRelu", "ThresholdedRelu", "Elu", "HardSigmoid"};
  if (std::ranges::find(kWithAlpha, function.name) != kWithAlpha.end()) attributes["alpha"] = static_cast<float>(alpha);
  if (function.name == "HardSigmoid") attributes["beta"] = static_cast<float>(beta);
  return add(function.name, name, {x}, shape(x), std::move(attributes));
}

ValueId StepWriter::clip(const std::string& name, ValueId x, double bound) {
  if (std::isinf(bound)) return x;
  const auto limit = [&](const std::string& which, double value) { return constant(which, Tensor::scalar(static_cast<float>(value))); };
  return add("Clip", name, {x, limit("clip.min", -bound), limit("clip.max", bound)}, shape(x));
}

}  // namespace qtool::passes
