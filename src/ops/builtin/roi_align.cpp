// RoiAlign and MaxRoiPool: fixed-size features of image regions.
#include <algorithm>
#include <array>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

struct RoiAlignOptions {
  bool half_pixel;
  bool max_mode;
  int64_t height, width;   // of the output
  int64_t sampling_ratio;  // 0: as many samples as the region has pixels
  double spatial_scale;
};

RoiAlignOptions roi_align_options(const ir::Node& node) {
  // Version 10 had no half-pixel shift.
  const std::string transform =
      node.opset < 16 ? "output_half_pixel" : node.attr_string("coordinate_transformation_mode", "half_pixel");
  const std::string mode = node.attr_string("mode", "avg");
  if (transform != "half_pixel" && transform != "output_half_pixel") {
    throw Error(ErrorCode::kUnsupported, format("attribute 'coordinate_transformation_mode' is '{}'", transform));
  }
  if (mode != "avg" && mode != "max") throw Error(ErrorCode::kUnsupported, format("attribute 'mode' is '{}'", mode));
  return {transform == "half_pixel", mode == "max", node.attr_int("output_height", 1), node.attr_int("output_width", 1),
          node.attr_int("sampling_ratio", 0), node.attr_float("spatial_scale", 1.0f)};
}

struct WeightedCorner {
  int64_t offset;
  double weight;
};
using Corners = std::array<WeightedCorner, 4>;

// Positions up to one pixel outside are pulled to the border; further out everything is zero.
Corners bilinear_corners(double y, double x, int64_t height, int64_t width) {
  Corners corners{};
  if (y < -1.0 || y > static_cast<double>(height) || x < -1.0 || x > static_cast<double>(width)) return corners;
  y = std::clamp(y, 0.0, static_cast<double>(height - 1));
  x = std::clamp(x, 0.0, static_cast<double>(width - 1));
  const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
  const double dy = y - static_cast<double>(top), dx = x - static_cast<double>(left);
  return {{{top * width + left, (1 - dy) * (1 - dx)},
           {top * width + right, (1 - dy) * dx},
           {bottom * width + left, dy * (1 - dx)},
           {bottom * width + right, dy * dx}}};
}

// The sample positions of every output bin of one region.
std::vector<std::vector<Corners>> region_samples(const double* roi, const RoiAlignOptions& o, int64_t height,
                                                 int64_t width) {
  const double shift = o.half_pixel ? 0.5 : 0.0;
  const double left = roi[0] * o.spatial_scale - shift, top = roi[1] * o.spatial_scale - shift;
  double roi_width = roi[2] * o.spatial_scale - shift - left, roi_height = roi[3] * o.spatial_scale - shift - top;
  if (!o.half_pixel) {
    roi_width = std::max(roi_width, 1.0);
    roi_height = std::max(roi_height, 1.0);
  }
  const double bin_height = roi_height / static_cast<double>(o.height);
  const double bin_width = roi_width / static_cast<double>(o.width);
  const auto rows = o.sampling_ratio > 0 ? o.sampling_ratio : static_cast<int64_t>(std::ceil(bin_height));
  const auto columns = o.sampling_ratio > 0 ? o.sampling_ratio : static_cast<int64_t>(std::ceil(bin_width));
  std::vector<std::vector<Corners>> bins;
  for (int64_t bin_y = 0; bin_y < o.height; ++bin_y) {
    for (int64_t bin_x = 0; bin_x < o.width; ++bin_x) {
      std::vector<Corners>& samples = bins.emplace_back();
      for (int64_t i = 0; i < rows; ++i) {
        const double y = top + (static_cast<double>(bin_y) +
                                (static_cast<double>(i) + 0.5) / static_cast<double>(rows)) * bin_height;
        for (int64_t j = 0; j < columns; ++j) {
          const double x = left + (static_cast<double>(bin_x) +
                                   (static_cast<double>(j) + 0.5) / static_cast<double>(columns)) * bin_width;
          samples.push_back(bilinear_corners(y, x, height, width));
        }
      }
    }
  }
  return bins;
}

double pool_samples(const std::vector<Corners>& samples, const double* plane, bool max_mode) {
  double sum = 0.0, best = 0.0;
  bool first = true;
  for (const Corners& corners : samples) {
    // The maximum is over weighted corners, not over interpolated values: that is how the operator is defined.
    for (const WeightedCorner& corner : corners) {
      const double value = corner.weight == 0.0 ? 0.0 : corner.weight * plane[corner.offset];
      sum += value;
      best = first ? value : std::max(best, value);
      first = false;
    }
  }
  return max_mode ? best : sum / static_cast<double>(std::max<size_t>(1, samples.size()));
}

void check_regions(const Shape& input, const Shape& rois, int64_t columns) {
  if (input.rank() != 4 || rois.rank() != 2 || rois[1] != columns) {
    throw Error(ErrorCode::kInvalidModel, format("regions {} do not fit input {}", rois.text(), input.text()));
  }
}

void check_image(int64_t image, int64_t count) {
  if (image < 0 || image >= count) throw Error(ErrorCode::kInvalidData, format("a region names image {} of {}", image, count));
}

InferredTypes infer_roi_align(const InferContext& context) {
  check_regions(context.shape(0), context.shape(1), 4);
  const RoiAlignOptions options = roi_align_options(context.node());
  return {TensorType{context.dtype(0), Shape{context.shape(1)[0], context.shape(0)[1], options.height, options.width}}};
}

std::vector<Tensor> evaluate_roi_align(const EvalContext& context) {
  const Tensor &input = context.input(0), &rois = context.input(1);
  check_regions(input.shape(), rois.shape(), 4);
  const RoiAlignOptions options = roi_align_options(context.node());
  const int64_t channels = input.shape()[1], height = input.shape()[2], width = input.shape()[3];
  const Reals x = to_reals(input), regions = to_reals(rois);
  const std::vector<int64_t> images = context.input(2).to_int64();
  const int64_t count = rois.shape()[0];
  if (static_cast<int64_t>(images.size()) != count) {
    throw Error(ErrorCode::kInvalidModel, format("{} batch indices for {} regions", images.size(), count));
  }
  Reals y;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t image = images[static_cast<size_t>(r)];
    check_image(image, input.shape()[0]);
    const auto bins = region_samples(regions.data() + r * 4, options, height, width);
    for (int64_t c = 0; c < channels; ++c) {
      const double* plane = x.data() + (image * channels + c) * height * width;
      for (const auto& samples : bins) y.push_back(pool_samples(samples, plane, options.max_mode));
    }
  }
  return {from_reals(input.dtype(), Shape{count, channels, options.height, options.width}, y)};
}

Shape max_roi_shape(const ir::Node& node, const Shape& input, const Shape& rois) {
  check_regions(input, rois, 5);
  const std::vector<int64_t> pooled = node.attr_ints("pooled_shape");
  if (pooled.size() != 2) throw Error(ErrorCode::kInvalidModel, "attribute 'pooled_shape' needs two values");
  return Shape{rois[0], input[1], pooled[0], pooled[1]};
}

InferredTypes infer_max_roi_pool(const InferContext& context) {
  return {TensorType{context.dtype(0), max_roi_shape(context.node(), context.shape(0), context.shape(1))}};
}

// Pixels of bin `bin` when `extent` pixels from `start` are split into `bins`, clipped to the axis.
std::pair<int64_t, int64_t> bin_range(int64_t bin, int64_t bins, int64_t start, int64_t extent, int64_t size) {
  const double step = static_cast<double>(extent) / static_cast<double>(bins);
  const auto begin = static_cast<int64_t>(std::floor(static_cast<double>(bin) * step)) + start;
  const auto end = static_cast<int64_t>(std::ceil(static_cast<double>(bin + 1) * step)) + start;
  return {std::clamp<int64_t>(begin, 0, size), std::clamp<int64_t>(end, 0, size)};
}

// Regions are rows (image, x1, y1, x2, y2), corners included.
std::vector<Tensor> evaluate_max_roi_pool(const EvalContext& context) {
  const Tensor &input = context.input(0), &rois = context.input(1);
  const Shape shape = max_roi_shape(context.node(), input.shape(), rois.shape());
  const double scale = context.node().attr_float("spatial_scale", 1.0f);
  const int64_t channels = shape[1], height = input.shape()[2], width = input.shape()[3];
  const Reals x = to_reals(input), regions = to_reals(rois);
  Reals y;
  for (int64_t r = 0; r < shape[0]; ++r) {
    const double* region = regions.data() + r * 5;
    const auto image = static_cast<int64_t>(region[0]);
    check_image(image, input.shape()[0]);
    std::array<int64_t, 4> corner;
    for (size_t i = 0; i < 4; ++i) corner[i] = static_cast<int64_t>(std::round(region[i + 1] * scale));
    const int64_t extent_x = std::max<int64_t>(1, corner[2] - corner[0] + 1);
    const int64_t extent_y = std::max<int64_t>(1, corner[3] - corner[1] + 1);
    for (int64_t c = 0; c < channels; ++c) {
      const double* plane = x.data() + (image * channels + c) * height * width;
      for (int64_t i = 0; i < shape[2]; ++i) {
        for (int64_t j = 0; j < shape[3]; ++j) {
          const auto [top, bottom] = bin_range(i, shape[2], corner[1], extent_y, height);
          const auto [left, right] = bin_range(j, shape[3], corner[0], extent_x, width);
          double best = top < bottom && left < right ? plane[top * width + left] : 0.0;
          for (int64_t row = top; row < bottom; ++row) {
            for (int64_t column = left; column < right; ++column) best = std::max(best, plane[row * width + column]);
          }
          y.push_back(best);
        }
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_roi_align(Registry& registry) {
  registry.add({.type = "RoiAlign", .first_opset = 10, .infer = infer_roi_align, .evaluate = evaluate_roi_align});
  registry.add({.type = "MaxRoiPool", .first_opset = 1, .infer = infer_max_roi_pool, .evaluate = evaluate_max_roi_pool});
}

}  // namespace qtool::ops
