// AffineGrid: the sampling grid of an affine map, 2-D or 3-D.
#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

// size is [N, C, spatial...]; theta [N, axes, axes + 1].
Shape grid_shape(const Shape& theta, const std::vector<int64_t>& size) {
  const auto axes = static_cast<int64_t>(size.size()) - 2;
  if (axes < 2 || axes > 3 || !(theta == Shape{size[0], axes, axes + 1})) {
    throw Error(ErrorCode::kInvalidModel, format("theta {} does not fit size [{}]", theta.text(), join(size, ", ")));
  }
  std::vector<int64_t> dims{size[0]};
  dims.insert(dims.end(), size.begin() + 2, size.end());
  dims.push_back(axes);
  return Shape(std::move(dims));
}

InferredTypes infer(const InferContext& context) {
  const Tensor* size = context.constant(1);
  if (size == nullptr) return {std::nullopt};
  return {TensorType{context.dtype(0), grid_shape(context.shape(0), size->to_int64())}};
}

// From -1 to 1: the centres of the first and last pixel (align_corners) or their outer borders.
double coordinate(int64_t index, int64_t size, bool align_corners) {
  const auto i = static_cast<double>(index), extent = static_cast<double>(size);
  if (!align_corners) return (2.0 * i + 1.0) / extent - 1.0;
  return size > 1 ? 2.0 * i / (extent - 1.0) - 1.0 : 0.0;
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& theta = context.input(0);
  const Shape shape = grid_shape(theta.shape(), context.input(1).to_int64());
  const bool align_corners = context.node().attr_int("align_corners", 0) != 0;
  const size_t axes = shape.rank() - 2;
  const Reals maps = to_reals(theta);
  Reals grid;
  const int64_t points = shape.span_count(1, shape.rank() - 1);
  for (int64_t n = 0; n < shape[0]; ++n) {
    const double* map = maps.data() + n * static_cast<int64_t>(axes * (axes + 1));
    for (int64_t point = 0; point < points; ++point) {
      std::vector<double> position;  // (x, y, z): innermost axis first
      int64_t rest = point;
      for (size_t axis = axes; axis >= 1; --axis) {
        position.push_back(coordinate(rest % shape[axis], shape[axis], align_corners));
        rest /= shape[axis];
      }
      for (size_t row = 0; row < axes; ++row) {
        double value = map[row * (axes + 1) + axes];
        for (size_t k = 0; k < axes; ++k) value += map[row * (axes + 1) + k] * position[k];
        grid.push_back(value);
      }
    }
  }
  return {from_reals(theta.dtype(), shape, grid)};
}

}  // namespace

void register_affine_grid(Registry& registry) {
  registry.add({.type = "AffineGrid", .first_opset = 20, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
