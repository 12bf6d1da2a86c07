#include "tap_window.h"

#include <algorithm>

namespace qtool::optimize {

namespace {

ops::WindowParams window_of(const ir::Graph& graph, const Layer& layer) {
  const ir::Node& node = graph.node(layer.node);
  const Shape &input = graph.type_of(layer.input).shape, &weight = graph.type_of(layer.weight).shape;
  return node.op_type == "ConvTranspose" ? ops::conv_transpose_window(node, input, weight) : ops::conv_window(node, input, weight);
}

// Sum of the lanes of rows x lanes values, added to `into`.
void add_rows(const float* x, int64_t rows, int64_t stride, int64_t lanes, double* into) {
  for (int64_t r = 0; r < rows; ++r, x += stride) {
    for (int64_t l = 0; l < lanes; ++l) into[l] += x[l];
  }
}

}  // namespace

TapWindow::TapWindow(const ir::Graph& graph, const Layer& layer) {
  const Shape& shape = graph.type_of(layer.input).shape;
  const bool transposed = graph.node(layer.node).op_type == "ConvTranspose";
  const ops::Window3d window = ops::as_window_3d(window_of(graph, layer), shape);
  input_ = window.input;
  kernel_ = window.kernel;
  batch_ = shape[0];
  outputs_ = batch_ * window.output_count();
  for (size_t axis = 0; axis < 3; ++axis) {
    for (int64_t k = 0; k < window.kernel[axis]; ++k) {
      const int64_t offset = k * window.dilations[axis] - window.pads_begin[axis], stride = window.strides[axis];
      if (transposed) {  // input i writes output i * stride + offset
        const ops::AxisRange range = ops::covered_range(offset, stride, window.output[axis], window.input[axis]);
        ranges_[axis].push_back({range.begin, 1, range.end - range.begin});
      } else {           // output o reads input o * stride + offset
        const ops::AxisRange range = ops::covered_range(offset, stride, window.input[axis], window.output[axis]);
        ranges_[axis].push_back({range.begin * stride + offset, stride, range.end - range.begin});
      }
    }
  }
  pointwise_ = taps() == 1 && outputs_ == batch_ * window.input_count() && coverage(0) == 1.0;
}

double TapWindow::coverage(int64_t tap) const {
  const int64_t kx = tap % kernel_[2], ky = tap / kernel_[2] % kernel_[1], kz = tap / (kernel_[2] * kernel_[1]);
  const int64_t covered = ranges_[0][static_cast<size_t>(kz)].count * ranges_[1][static_cast<size_t>(ky)].count *
                          ranges_[2][static_cast<size_t>(kx)].count;
  return static_cast<double>(batch_ * covered) / static_cast<double>(outputs_);
}

void TapWindow::sum_row(const float* row, int64_t lanes, std::vector<double>& by_tap) const {
  const int64_t width = input_[2];
  std::vector<double> whole(static_cast<size_t>(lanes), 0.0);
  const bool dense = ranges_[2][0].step == 1;
  if (dense) add_rows(row, width, lanes, lanes, whole.data());
  std::vector<double> edge(static_cast<size_t>(lanes));
  for (size_t kx = 0; kx < ranges_[2].size(); ++kx) {
    const TapRange& range = ranges_[2][kx];
    double* target = by_tap.data() + static_cast<int64_t>(kx) * lanes;
    if (!dense || range.count < width / 2) {
      std::fill(target, target + lanes, 0.0);
      add_rows(row + range.begin * lanes, range.count, range.step * lanes, lanes, target);
      continue;
    }
    // A few columns at the borders are missing from the whole row.
    std::fill(edge.begin(), edge.end(), 0.0);
    add_rows(row, range.begin, lanes, lanes, edge.data());
    const int64_t end = range.begin + range.count;
    add_rows(row + end * lanes, width - end, lanes, lanes, edge.data());
    for (int64_t l = 0; l < lanes; ++l) target[l] = whole[static_cast<size_t>(l)] - edge[static_cast<size_t>(l)];
  }
}

void TapWindow::sum_lanes(const float* data, int64_t lanes, std::vector<double>& acc) const {
  std::vector<double> by_tap(static_cast<size_t>(kernel_[2] * lanes));
  const int64_t row_taps = kernel_[2] * lanes;
  for (int64_t z = 0; z < input_[0]; ++z) {
    for (int64_t y = 0; y < input_[1]; ++y) {
      bool summed = false;
      for (int64_t kz = 0; kz < kernel_[0]; ++kz) {
        if (!ranges_[0][static_cast<size_t>(kz)].holds(z)) continue;
        for (int64_t ky = 0; ky < kernel_[1]; ++ky) {
          if (!ranges_[1][static_cast<size_t>(ky)].holds(y)) continue;
          if (!summed) sum_row(data + (z * input_[1] + y) * input_[2] * lanes, lanes, by_tap);
          summed = true;
          double* target = acc.data() + (kz * kernel_[1] + ky) * row_taps;
          for (int64_t i = 0; i < row_taps; ++i) target[i] += by_tap[static_cast<size_t>(i)];
        }
      }
    }
  }
}

void TapWindow::sum(const exec::PhysicalView& input, std::vector<double>& sums) const {
  const int64_t channels = input.shape[1], lanes = input.layout.block;
  const int64_t blocks = (channels + lanes - 1) / lanes, plane = input_[0] * input_[1] * input_[2] * lanes;
  sums.assign(static_cast<size_t>(channels * taps()), 0.0);
  std::vector<double> acc(static_cast<size_t>(taps() * lanes));
  for (int64_t n = 0; n < input.shape[0]; ++n) {
    for (int64_t b = 0; b < blocks; ++b) {
      std::fill(acc.begin(), acc.end(), 0.0);
      sum_lanes(input.data + (n * blocks + b) * plane, lanes, acc);
      for (int64_t l = 0; l < std::min(lanes, channels - b * lanes); ++l) {
        for (int64_t t = 0; t < taps(); ++t) sums[static_cast<size_t>((b * lanes + l) * taps() + t)] += acc[static_cast<size_t>(t * lanes + l)];
      }
    }
  }
}

}  // namespace qtool::optimize
