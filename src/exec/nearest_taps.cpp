#include "nearest_taps.h"

namespace qtool::exec {

namespace {

std::vector<int64_t> axis_taps(const ops::ResizeParams& params, const Shape& source, size_t axis, int64_t count) {
  std::vector<int64_t> taps;
  for (int64_t i = 0; i < count; ++i) taps.push_back(ops::nearest_source(params, source, axis, i));
  return taps;
}

}  // namespace

std::optional<ops::ResizeParams> image_resize_params(const KernelRequest& request) {
  if (request.input_type(0).dtype != DType::kFloat32) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  if (source.rank() != 4 || source[0] != target[0] || source[1] != target[1] || target.element_count() == 0) return std::nullopt;
  const ops::ResizeSlots slots = ops::resize_slots(request.node);
  for (size_t i = 1; i < request.node.inputs.size(); ++i) {
    if (request.has_input(i) && request.constant(i) == nullptr) return std::nullopt;
  }
  const auto constant = [&](int slot) { return slot < 0 ? nullptr : request.constant(static_cast<size_t>(slot)); };
  const ops::ResizeParams params = ops::resolve_resize(
      request.node, source, {.roi = constant(slots.roi), .scales = constant(slots.scales), .sizes = constant(slots.sizes)});
  if (params.antialias || params.transform == ops::CoordinateTransform::kTfCropAndResize || params.mode == ops::ResizeMode::kCubic) {
    return std::nullopt;
  }
  return params;
}

std::optional<NearestTaps> nearest_taps(const KernelRequest& request) {
  const auto params = image_resize_params(request);
  if (!params || params->mode != ops::ResizeMode::kNearest) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  return NearestTaps{axis_taps(*params, source, 2, target[2]), axis_taps(*params, source, 3, target[3])};
}

}  // namespace qtool::exec
