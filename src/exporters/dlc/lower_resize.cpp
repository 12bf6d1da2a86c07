// Resize and Upsample over height and width.
#include <cmath>
#include <optional>

#include "dlc/lowering_table.h"
#include "qtool/ops/resize_params.h"
#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

using ops::CoordinateTransform;
using ops::ResizeMode;
using ops::ResizeParams;

constexpr size_t kHeight = 2;
constexpr size_t kWidth = 3;

ResizeParams params_of(NodeLowering& n) {
  const ops::ResizeSlots slots = ops::resize_slots(n.node());
  const auto at = [&](int slot) -> const Tensor* {
    if (slot < 0 || !n.has_input(static_cast<size_t>(slot))) return nullptr;
    if (n.constant(static_cast<size_t>(slot)) == nullptr) n.refuse("the size is computed at run time; a DLC needs it constant");
    return n.constant(static_cast<size_t>(slot));
  };
  return ops::resolve_resize(n.node(), n.shape(0), {.roi = at(slots.roi), .scales = at(slots.scales), .sizes = at(slots.sizes)});
}

std::vector<int32_t> nearest_rows(const NodeLowering& n, const ResizeParams& params, size_t axis) {
  std::vector<int32_t> rows;
  for (int64_t x = 0; x < params.output[axis]; ++x) {
    rows.push_back(static_cast<int32_t>(ops::nearest_source(params, n.shape(0), axis, x)));
  }
  return rows;
}

// What ResizeNearestNeighbor takes: floor(x * in / out), or floor((x + 0.5) * in / out) with half pixel centres.
std::vector<int32_t> backend_rows(const NodeLowering& n, const ResizeParams& params, size_t axis, bool half_pixel) {
  const int64_t in = n.shape(0)[axis];
  const int64_t out = params.output[axis];
  std::vector<int32_t> rows;
  for (int64_t x = 0; x < out; ++x) rows.push_back(static_cast<int32_t>(half_pixel ? (2 * x + 1) * in / (2 * out) : x * in / out));
  return rows;
}

bool backend_agrees(const NodeLowering& n, const ResizeParams& params, bool half_pixel) {
  for (const size_t axis : {kHeight, kWidth}) {
    if (nearest_rows(n, params, axis) != backend_rows(n, params, axis, half_pixel)) return false;
  }
  return true;
}

// Any other rule of taking the nearest pixel is a choice of rows and columns.
void lower_nearest_by_gather(NodeLowering& n, const ResizeParams& params, const std::string& input) {
  n.context().note(format("{}: its rounding rule is none of the backend's; written as two Gather ops", n.node().text()));
  const AxisOrder order = channels_last(4);
  const auto gather = [&](OpDraft draft, size_t axis, const char* suffix) {
    const std::vector<int32_t> rows = nearest_rows(n, params, axis);
    draft.inputs.push_back(n.static_int32(suffix, rows, {static_cast<uint32_t>(rows.size())}));
    draft.i32("axis", static_cast<int32_t>(position_of(order, axis)));
    return draft;
  };
  Shape tall = n.shape(0);
  tall[kHeight] = params.output[kHeight];
  const std::string rows = n.emit_inner(gather(n.helper_op("height", "Gather", {input}), kHeight, "rows"), stored_dims(tall, order), n.result_form());
  n.emit(gather(n.op("Gather", {rows}), kWidth, "columns"), order);
}

void emit_resize(NodeLowering& n, const char* type, const std::string& input, bool align_corners, bool half_pixel) {
  OpDraft draft = n.op(type, {input});
  draft.boolean("align_corners", align_corners).boolean("half_pixel_centers", half_pixel);
  n.emit(std::move(draft), channels_last(4));
}

// It copies codes, so the operand is put on the encoding of the result.
void lower_nearest(NodeLowering& n, const ResizeParams& params) {
  const std::string input = n.read_as(0, channels_last(4), n.result_form());
  for (const bool half_pixel : {false, true}) {
    if (backend_agrees(n, params, half_pixel)) return emit_resize(n, "ResizeNearestNeighbor", input, false, half_pixel);
  }
  lower_nearest_by_gather(n, params, input);
}

// The scale that enters the coordinates must be the ratio of the sizes: the backend knows no other.
bool scale_is_ratio(const NodeLowering& n, const ResizeParams& params) {
  for (const size_t axis : {kHeight, kWidth}) {
    const double ratio = static_cast<double>(params.output[axis]) / static_cast<double>(n.shape(0)[axis]);
    if (std::abs(params.scales[axis] - ratio) > 1e-6 * ratio) return false;
  }
  return true;
}

void lower_linear(NodeLowering& n, const ResizeParams& params) {
  const bool align = params.transform == CoordinateTransform::kAlignCorners;
  const bool half = params.transform == CoordinateTransform::kHalfPixel || params.transform == CoordinateTransform::kPytorchHalfPixel ||
                    params.transform == CoordinateTransform::kHalfPixelSymmetric;
  if (!align && !half && params.transform != CoordinateTransform::kAsymmetric) n.refuse("this coordinate transformation has no counterpart on the backend");
  if (!align && !scale_is_ratio(n, params)) n.refuse("the scales are not the ratio of the sizes; give sizes instead");
  emit_resize(n, "ResizeBilinear", n.read(0, channels_last(4)), align, half);
}

void lower_cubic(NodeLowering& n, const ResizeParams& params) {
  const auto transformation = [&]() -> uint32_t {
    switch (params.transform) {
      case CoordinateTransform::kHalfPixel: return 0;
      case CoordinateTransform::kPytorchHalfPixel: return 1;
      case CoordinateTransform::kAlignCorners: return 2;
      case CoordinateTransform::kAsymmetric: return 3;
      default: n.refuse("this coordinate transformation has no counterpart on the backend");
    }
  }();
  constexpr uint32_t kCubic = 2;
  OpDraft draft = n.op("Resize", {n.read(0, channels_last(4))});
  draft.f32("cubic_coeff", static_cast<float>(params.cubic_coeff_a)).boolean("exclude_outside", params.exclude_outside);
  draft.u32("interpolation_mode", kCubic).u32("transformation_mode", transformation);
  n.emit(std::move(draft), channels_last(4));
}

void lower_resize(NodeLowering& n) {
  const ResizeParams params = params_of(n);
  if (n.shape(0) == n.output_shape()) return n.bind(n.context().placement(n.input(0)));
  const bool image = n.shape(0).rank() == 4 && params.output[0] == n.shape(0)[0] && params.output[1] == n.shape(0)[1];
  if (!image) n.refuse("only height and width of a tensor with four axes can be resized");
  if (params.antialias) n.refuse("antialias has no counterpart on the backend");
  switch (params.mode) {
    case ResizeMode::kNearest: return lower_nearest(n, params);
    case ResizeMode::kLinear: return lower_linear(n, params);
    case ResizeMode::kCubic: return lower_cubic(n, params);
  }
}

}  // namespace

void register_lower_resize(LoweringTable& table) {
  table.add("Resize", {lower_resize});
  table.add("Upsample", {lower_resize});
}

}  // namespace qtool::exporters::dlc
