// The output of a segmentation model as class indices of the original picture.
#include <algorithm>
#include <cmath>

#include "qtool/data/resize.h"
#include "qtool/eval/segmentation.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

// Where the numbers of one pixel lie; classes 0: a ready map of indices.
struct MapForm {
  int64_t classes = 0, height = 0, width = 0;
  int64_t class_step = 0, row_step = 0, column_step = 0;
};

MapForm form_of(const Shape& shape, data::Layout layout) {
  if (shape.rank() == 3 && shape[0] == 1) return {0, shape[1], shape[2], 0, shape[2], 1};
  if (shape.rank() == 4 && shape[0] == 1) {
    const bool planar = layout == data::Layout::kNchw;
    const int64_t classes = shape[planar ? 1 : 3], height = shape[planar ? 2 : 1],
                  width = shape[planar ? 3 : 2];
    if (classes == 1) return {0, height, width, 0, width, 1};
    if (planar) return {classes, height, width, height * width, width, 1};
    return {classes, height, width, 1, width * classes, classes};
  }
  throw Error(ErrorCode::kUnsupported,
              format("an output of shape {} is no segmentation; expected [1, classes, h, w] or a "
                     "class map [1, h, w]",
                     shape.text()));
}

uint8_t class_of_pixel(const float* at, const MapForm& form) {
  if (form.classes == 0) {
    const float last = static_cast<float>(kMostClasses - 1);
    return static_cast<uint8_t>(std::clamp(std::nearbyint(*at), 0.0f, last));
  }
  int64_t best = 0;
  for (int64_t c = 1; c < form.classes; ++c) {
    if (at[c * form.class_step] > at[best * form.class_step]) best = c;
  }
  return static_cast<uint8_t>(best);
}

// The part of the output that shows the picture. Outputs may be smaller than the input.
data::Rect covered_part(const MapForm& form, const data::LetterboxGeometry& geometry,
                        data::Size input) {
  if (geometry.pad_x < 0 || geometry.pad_y < 0) {
    throw Error(ErrorCode::kUnsupported,
                "segmentation cannot be measured with a crop, which hides a part of the mask; use "
                "resize letterbox, long:N or stretch");
  }
  const double to_x = static_cast<double>(form.width) / input.width;
  const double to_y = static_cast<double>(form.height) / input.height;
  const auto along = [](double value, double ratio) {
    return static_cast<int>(std::nearbyint(value * ratio));
  };
  const int width = static_cast<int>(form.width), height = static_cast<int>(form.height);
  data::Rect part{along(geometry.pad_x, to_x), along(geometry.pad_y, to_y),
                  along(geometry.resized.width, to_x), along(geometry.resized.height, to_y)};
  part.left = std::min(part.left, width - 1);
  part.top = std::min(part.top, height - 1);
  part.width = std::clamp(part.width, 1, width - part.left);
  part.height = std::clamp(part.height, 1, height - part.top);
  return part;
}

}  // namespace

int64_t segmentation_classes(const Shape& output, data::Layout layout) {
  const int64_t classes = form_of(output, layout).classes;
  if (classes > kMostClasses) {
    throw Error(
        ErrorCode::kUnsupported,
        format("a segmentation of {} classes; at most {} fit into masks", classes, kMostClasses));
  }
  return classes;
}

data::Image class_map(const Tensor& output, data::Layout layout,
                      const data::LetterboxGeometry& geometry, data::Size input) {
  const MapForm form = form_of(output.shape(), layout);
  const data::Rect part = covered_part(form, geometry, input);
  const float* values = output.data<float>().data();
  data::Image map = data::blank_image(part.width, part.height, 1);
  for (int y = 0; y < part.height; ++y) {
    const float* row = values + (part.top + y) * form.row_step + part.left * form.column_step;
    for (int x = 0; x < part.width; ++x) {
      map.row(y)[x] = class_of_pixel(row + x * form.column_step, form);
    }
  }
  const auto [width, height] = geometry.original;
  if (width == map.width && height == map.height) return map;
  return data::resize_opencv(map, width, height, data::Interpolation::kNearest);
}

}  // namespace qtool::eval
