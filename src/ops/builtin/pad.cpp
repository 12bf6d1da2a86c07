// Pad: constant, reflect, edge and wrap; negative pads crop. Pads are an attribute before opset 11, an input since;
// opset 18 adds axes.
#include <algorithm>
#include <cstring>

#include "axes.h"
#include "element_cast.h"
#include "qtool/ops/registry.h"
#include "typed_kernel.h"

namespace qtool::ops {

namespace {

constexpr int64_t kPadsAreInputSince = 11;

enum class Mode : uint8_t { kConstant, kReflect, kEdge, kWrap };

Mode pad_mode(const ir::Node& node) {
  const std::string mode = node.attr_string("mode", "constant");
  if (mode == "constant") return Mode::kConstant;
  if (mode == "reflect") return Mode::kReflect;
  if (mode == "edge") return Mode::kEdge;
  if (mode == "wrap") return Mode::kWrap;
  invalid_model("attribute mode is '{}', expected constant, reflect, edge or wrap", mode);
}

struct Pads {
  std::vector<int64_t> before, after;  // one entry an axis
};

template <class Context>
std::optional<Pads> axis_pads(const Context& context) {
  const size_t rank = operand_shape(context, 0).rank();
  const IntList pads = int_list(context, "pads", 1, kPadsAreInputSince);
  IntList axes = context.node().opset >= kPadsAreInputSince ? int_list_input(context, 3) : IntList{};
  if (pads.absent()) invalid_model("pads are missing");
  if (pads.unknown() || axes.unknown()) return std::nullopt;
  if (axes.absent()) {
    for (size_t i = 0; i < rank; ++i) axes.values.push_back(static_cast<int64_t>(i));
  }
  const size_t count = axes.values.size();
  if (pads.values.size() != 2 * count) invalid_model("pads have {} entries, expected {}", pads.values.size(), 2 * count);
  (void)axis_mask(axes.values, rank);
  Pads result{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = operand_shape(context, 0).normalize_axis(axes.values[i]);
    result.before[axis] = pads.values[i];
    result.after[axis] = pads.values[count + i];
  }
  return result;
}

template <class Context>
InferredTypes types(const Context& context) {
  const auto pads = axis_pads(context);
  if (!pads) return {std::nullopt};
  Shape shape = operand_shape(context, 0);
  for (size_t i = 0; i < shape.rank(); ++i) {
    int64_t& length = shape[i];
    if (__builtin_add_overflow(length, pads->before[i], &length) || __builtin_add_overflow(length, pads->after[i], &length)) {
      invalid_model("pads of axis {} exceed any tensor", i);
    }
    if (length < 0) invalid_model("pads crop axis {} of shape {} below zero", i, operand_shape(context, 0).text());
  }
  return {TensorType{operand_dtype(context, 0), std::move(shape)}};
}

// Position in [0, length) that `position` shows when the interval is mirrored at its end elements.
int64_t reflected(int64_t position, int64_t length) {
  if (length == 1) return 0;
  const int64_t period = 2 * (length - 1);
  const int64_t at = ((position % period) + period) % period;
  return at < length ? at : period - at;
}

// For every result index of one axis the source index, -1: the constant.
std::vector<int64_t> source_indices(Mode mode, int64_t length, int64_t before, int64_t after) {
  // Negative pads crop first; the other modes then look at what is left.
  const int64_t low = std::max<int64_t>(0, -before), high = length - std::max<int64_t>(0, -after);
  const int64_t kept = std::max<int64_t>(high - low, 0);
  const int64_t result_length = length + before + after;
  if (mode != Mode::kConstant && kept == 0 && result_length > 0) {
    invalid_model("an empty axis cannot be padded from its own elements");
  }
  std::vector<int64_t> indices(static_cast<size_t>(result_length));
  for (int64_t i = 0; i < result_length; ++i) {
    const int64_t position = i - before - low;
    int64_t source = -1;
    if (position >= 0 && position < kept) source = position;
    else if (mode == Mode::kReflect) source = reflected(position, kept);
    else if (mode == Mode::kEdge) source = std::clamp<int64_t>(position, 0, kept - 1);
    else if (mode == Mode::kWrap) source = ((position % kept) + kept) % kept;
    indices[static_cast<size_t>(i)] = source < 0 ? -1 : source + low;
  }
  return indices;
}

Tensor fill_value(const EvalContext& context, DType dtype) {
  if (context.node().opset < kPadsAreInputSince) {
    return cast_tensor(Tensor::scalar(context.node().attr_float("value", 0.0f)), dtype);
  }
  const Tensor* value = context.optional_input(2);
  if (value == nullptr) return Tensor(dtype, Shape{});
  require_same_dtype(context, 0, 2);
  if (value->element_count() != 1) invalid_model("constant_value must be a scalar, found shape {}", value->shape().text());
  return *value;
}

template <class T>
class PadCopy {
 public:
  PadCopy(const Tensor& input, Tensor& result, std::vector<std::vector<int64_t>> indices, T fill)
      : input_(input), result_(result), indices_(std::move(indices)), fill_(fill),
        strides_(input.shape().strides()), result_strides_(result.shape().strides()) {}

  void run() { copy_axis(0, elements<T>(input_), mutable_elements<T>(result_)); }

 private:
  void copy_axis(size_t axis, const T* source, T* target) const {
    if (axis == indices_.size()) {
      *target = *source;
      return;
    }
    const bool innermost = axis + 1 == indices_.size();
    const int64_t result_step = result_strides_[axis];
    const std::vector<int64_t>& map = indices_[axis];
    const auto count = static_cast<int64_t>(map.size());
    for (int64_t i = 0; i < count;) {
      const int64_t from = map[static_cast<size_t>(i)];
      if (innermost && from >= 0) {
        int64_t run = 1;
        while (i + run < count && map[static_cast<size_t>(i + run)] == from + run) ++run;
        std::memcpy(target + i, source + from, static_cast<size_t>(run) * sizeof(T));
        i += run;
        continue;
      }
      if (from < 0) std::fill_n(target + i * result_step, result_step, fill_);
      else copy_axis(axis + 1, source + from * strides_[axis], target + i * result_step);
      ++i;
    }
  }

  const Tensor& input_;
  Tensor& result_;
  std::vector<std::vector<int64_t>> indices_;
  T fill_;
  std::vector<int64_t> strides_, result_strides_;
};

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  Tensor result(settled(types(context)));
  if (result.empty()) return {std::move(result)};
  const Mode mode = pad_mode(context.node());
  const Pads pads = *axis_pads(context);
  std::vector<std::vector<int64_t>> indices;
  for (size_t i = 0; i < input.shape().rank(); ++i) {
    indices.push_back(source_indices(mode, input.shape()[i], pads.before[i], pads.after[i]));
  }
  const Tensor fill = mode == Mode::kConstant ? fill_value(context, input.dtype()) : Tensor(input.dtype(), Shape{});
  dispatch_element_size(input.dtype(), [&]<class T>() {
    PadCopy<T>(input, result, std::move(indices), *elements<T>(fill)).run();
  });
  return {std::move(result)};
}

}  // namespace

void register_pad(Registry& registry) {
  registry.add({.type = "Pad",
                .first_opset = 2,
                .infer = [](const InferContext& context) {
                  (void)pad_mode(context.node());
                  return types(context);
                },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
