// Slice: starts, ends, axes are attributes before opset 10 and inputs since, with steps of either sign.
#include <algorithm>

#include "axes.h"
#include "qtool/ops/registry.h"
#include "strided_copy.h"

namespace qtool::ops {

namespace {

constexpr int64_t kInputsSince = 10;

struct SliceView {
  int64_t first = 0;  // element offset
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
};

template <class Context>
std::optional<SliceView> plan(const Context& context) {
  const Shape& input = operand_shape(context, 0);
  const IntList starts = int_list(context, "starts", 1, kInputsSince);
  const IntList ends = int_list(context, "ends", 2, kInputsSince);
  IntList axes = int_list(context, "axes", 3, kInputsSince);
  IntList steps = context.node().opset >= kInputsSince ? int_list_input(context, 4) : IntList{};
  if (starts.absent() || ends.absent()) invalid_model("starts or ends are missing");
  if (starts.unknown() || ends.unknown() || axes.unknown() || steps.unknown()) return std::nullopt;

  const size_t count = starts.values.size();
  if (axes.absent()) {
    for (size_t i = 0; i < count; ++i) axes.values.push_back(static_cast<int64_t>(i));
  }
  if (steps.absent()) steps.values.assign(count, 1);
  if (ends.values.size() != count || axes.values.size() != count || steps.values.size() != count) {
    invalid_model("starts, ends, axes and steps have {}, {}, {} and {} entries, expected equal counts", count,
                  ends.values.size(), axes.values.size(), steps.values.size());
  }
  (void)axis_mask(axes.values, input.rank());

  SliceView view{0, input.dims(), input.strides()};
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = input.normalize_axis(axes.values[i]);
    const int64_t length = input[axis], step = steps.values[i];
    if (step == 0) invalid_model("a slice step is 0");
    // Out-of-range bounds are clamped; going down, the end may be "before the first element" (-1).
    const auto wrapped = [&](int64_t bound) { return bound < 0 ? bound + length : bound; };
    int64_t taken = 0;
    int64_t start = 0;
    if (step > 0) {
      start = std::clamp<int64_t>(wrapped(starts.values[i]), 0, length);
      const int64_t end = std::clamp<int64_t>(wrapped(ends.values[i]), 0, length);
      taken = end > start ? (end - start - 1) / step + 1 : 0;
    } else {
      start = length == 0 ? -1 : std::clamp<int64_t>(wrapped(starts.values[i]), 0, length - 1);
      const int64_t end = std::clamp<int64_t>(wrapped(ends.values[i]), -1, length - 1);
      // Negating the lowest step would overflow; dividing by it does not.
      taken = start > end ? (end - start + 1) / step + 1 : 0;
    }
    view.dims[axis] = taken;
    if (taken > 0) view.first += start * view.strides[axis];
    if (taken > 1) view.strides[axis] *= step;
  }
  return view;
}

}  // namespace

void register_slice(Registry& registry) {
  registry.add({.type = "Slice",
                .infer = [](const InferContext& context) -> InferredTypes {
                  auto view = plan(context);
                  if (!view) return {std::nullopt};
                  return {TensorType{context.dtype(0), Shape(std::move(view->dims))}};
                },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> {
                  const SliceView view = *plan(context);
                  return {copy_view(context.input(0), view.first, view.dims, view.strides, Shape(view.dims))};
                },
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
