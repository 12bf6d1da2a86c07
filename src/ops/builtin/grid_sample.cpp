// GridSample: samples an image (2-D) or volume (3-D) at positions given as [-1, 1] coordinates.
#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

enum class Interpolation { kNearest, kLinear, kCubic };
enum class Padding { kZeros, kBorder, kReflection };

struct Sampling {
  Interpolation interpolation;
  Padding padding;
  bool align_corners;
};

Sampling read_sampling(const ir::Node& node) {
  const std::string mode = node.attr_string("mode", "linear"), padding = node.attr_string("padding_mode", "zeros");
  Sampling sampling{Interpolation::kLinear, Padding::kZeros, node.attr_int("align_corners", 0) != 0};
  if (mode == "nearest") {
    sampling.interpolation = Interpolation::kNearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    sampling.interpolation = Interpolation::kCubic;
  } else if (mode != "linear" && mode != "bilinear") {
    throw Error(ErrorCode::kUnsupported, format("attribute 'mode' is '{}'", mode));
  }
  if (padding == "border") {
    sampling.padding = Padding::kBorder;
  } else if (padding == "reflection") {
    sampling.padding = Padding::kReflection;
  } else if (padding != "zeros") {
    throw Error(ErrorCode::kUnsupported, format("attribute 'padding_mode' is '{}'", padding));
  }
  return sampling;
}

Shape output_shape(const Shape& input, const Shape& grid) {
  const size_t rank = input.rank();
  if (rank < 3 || grid.rank() != rank || grid[rank - 1] != static_cast<int64_t>(rank) - 2 || grid[0] != input[0]) {
    throw Error(ErrorCode::kInvalidModel, format("grid {} does not fit input {}", grid.text(), input.text()));
  }
  std::vector<int64_t> dims{input[0], input[1]};
  dims.insert(dims.end(), grid.begin() + 1, grid.end() - 1);
  return Shape(std::move(dims));
}

double pixel_position(double coordinate, int64_t size, bool align_corners) {
  const auto extent = static_cast<double>(size);
  const double position =
      align_corners ? (coordinate + 1.0) / 2.0 * (extent - 1.0) : ((coordinate + 1.0) * extent - 1.0) / 2.0;
  // Anything far outside reads padding alone; the bound keeps the index arithmetic defined, NaN included.
  constexpr double kFarOutside = -1e6;
  return std::isfinite(position) && std::abs(position) < 1e12 ? position : kFarOutside;
}

// Index after padding, -1: reads zero. Reflection mirrors at pixel centres (align_corners) or at pixel borders.
int64_t padded_index(int64_t index, int64_t size, const Sampling& sampling) {
  if (index >= 0 && index < size) return index;
  if (sampling.padding == Padding::kZeros) return -1;
  if (sampling.padding == Padding::kBorder) return std::clamp<int64_t>(index, 0, size - 1);
  const int64_t period = sampling.align_corners ? std::max<int64_t>(1, 2 * (size - 1)) : 2 * size;
  const int64_t folded = ((index % period) + period) % period;
  if (folded < size) return folded;
  return sampling.align_corners ? period - folded : period - 1 - folded;
}

struct Tap {
  int64_t index;
  double weight;
};

double cubic_weight(double distance) {
  constexpr double a = -0.75;
  const double x = std::abs(distance);
  if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

std::vector<Tap> axis_taps(double position, int64_t size, const Sampling& sampling) {
  std::vector<Tap> taps;
  const auto add = [&](int64_t index, double weight) {
    const int64_t padded = padded_index(index, size, sampling);
    if (padded >= 0) taps.push_back({padded, weight});
  };
  if (sampling.interpolation == Interpolation::kNearest) {
    add(static_cast<int64_t>(std::nearbyint(position)), 1.0);
    return taps;
  }
  const auto base = static_cast<int64_t>(std::floor(position));
  const double fraction = position - std::floor(position);
  if (sampling.interpolation == Interpolation::kLinear) {
    add(base, 1.0 - fraction);
    add(base + 1, fraction);
    return taps;
  }
  for (int64_t k = -1; k <= 2; ++k) add(base + k, cubic_weight(static_cast<double>(k) - fraction));
  return taps;
}

// Taps of all axes multiplied out to flat offsets in one input plane.
std::vector<Tap> plane_taps(const double* coordinates, const Shape& input, const Sampling& sampling) {
  std::vector<Tap> taps{{0, 1.0}};
  const size_t axes = input.rank() - 2;
  for (size_t i = 0; i < axes; ++i) {
    // The last grid axis is (x, y, z): innermost axis first.
    const int64_t size = input[i + 2];
    const double position = pixel_position(coordinates[axes - 1 - i], size, sampling.align_corners);
    std::vector<Tap> next;
    for (const Tap& outer : taps) {
      for (const Tap& tap : axis_taps(position, size, sampling)) {
        next.push_back({outer.index * size + tap.index, outer.weight * tap.weight});
      }
    }
    taps = std::move(next);
  }
  return taps;
}

InferredTypes infer(const InferContext& context) {
  return {TensorType{context.dtype(0), output_shape(context.shape(0), context.shape(1))}};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor &input = context.input(0), &grid = context.input(1);
  const Shape shape = output_shape(input.shape(), grid.shape());
  const Sampling sampling = read_sampling(context.node());
  const Reals x = to_reals(input), coordinates = to_reals(grid);
  const int64_t in_plane = input.shape().span_count(2, shape.rank()), out_plane = shape.span_count(2, shape.rank());
  const auto axes = static_cast<int64_t>(shape.rank()) - 2;
  if (in_plane == 0 && shape.element_count() > 0) throw Error(ErrorCode::kInvalidModel, "cannot sample an empty image");
  Reals y(static_cast<size_t>(shape.element_count()), 0.0);
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t i = 0; i < out_plane; ++i) {
      const std::vector<Tap> taps =
          plane_taps(coordinates.data() + (n * out_plane + i) * axes, input.shape(), sampling);
      for (int64_t c = 0; c < shape[1]; ++c) {
        double sum = 0.0;
        for (const Tap& tap : taps) sum += tap.weight * x[static_cast<size_t>((n * shape[1] + c) * in_plane + tap.index)];
        y[static_cast<size_t>((n * shape[1] + c) * out_plane + i)] = sum;
      }
    }
  }
  return {from_reals(input.dtype(), shape, y)};
}

}  // namespace

void register_grid_sample(Registry& registry) {
  registry.add({.type = "GridSample", .first_opset = 16, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
