#include "moments.h"

#include <algorithm>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

using exec::MatrixOperand;
using exec::Transposed;

constexpr int64_t kTile = 256;

// sums[i][j] += left[:, i]' right[:, j] over `rows` rows; the product is made in float, the sum kept in double.
void add_tile(const float* left, int64_t left_stride, int64_t m, const float* right, int64_t right_stride, int64_t n, int64_t rows,
              double* sums, int64_t stride) {
  std::vector<float> product(static_cast<size_t>(m * n));
  exec::matrix_product(m, n, rows, {left, left_stride, Transposed::kYes}, {right, right_stride}, 0.0f, product.data(), n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) sums[i * stride + j] += static_cast<double>(product[static_cast<size_t>(i * n + j)]);
  }
}

struct Tile {
  int64_t row, column;
};

std::vector<Tile> tiles_of(int64_t rows, int64_t columns, bool lower_only) {
  std::vector<Tile> tiles;
  for (int64_t r = 0; r < rows; r += kTile) {
    for (int64_t c = 0; c < columns && (!lower_only || c <= r); c += kTile) tiles.push_back({r, c});
  }
  return tiles;
}

}  // namespace

Moments::Moments(const LayerShape& s) : shape(s) {
  const int64_t pieces = s.groups == 1 ? (s.inputs + kLongestBlock - 1) / kLongestBlock : 1;
  blocks = s.groups * pieces;
  block_inputs = (s.inputs + pieces - 1) / pieces;
  x.resize(static_cast<size_t>(s.row()));
  t.resize(static_cast<size_t>(s.channels()));
  xx.resize(static_cast<size_t>(blocks * block_inputs * block_inputs));
  tx.resize(static_cast<size_t>(s.channels() * s.inputs));
}

void Moments::add(const Rows& more, int threads) {
  const int64_t row = shape.row(), channels = shape.channels(), n = more.count, k = block_inputs;
  const auto sum_columns = [n](const std::vector<float>& values, int64_t columns, std::vector<double>& sums) {
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < columns; ++c) sums[static_cast<size_t>(c)] += static_cast<double>(values[static_cast<size_t>(r * columns + c)]);
    }
  };
  sum_columns(more.x, row, x);
  sum_columns(more.t, channels, t);
  rows += n;

  const std::vector<Tile> gram = tiles_of(k, k, true), cross = tiles_of(shape.outputs, shape.inputs, false);
  const auto gram_count = static_cast<int64_t>(gram.size()), cross_count = static_cast<int64_t>(cross.size());
  parallel_for(blocks * gram_count, threads, [&](int64_t job, int) {
    const int64_t block = job / gram_count;
    const Tile tile = gram[static_cast<size_t>(job % gram_count)];
    const float* base = more.x.data() + block * k;
    const int64_t width = std::min(k, row - block * k);  // of the last block of a cut group
    if (tile.row >= width || tile.column >= width) return;
    double* sums = xx.data() + block * k * k;
    const int64_t height = std::min(kTile, width - tile.row), columns = std::min(kTile, width - tile.column);
    add_tile(base + tile.row, row, height, base + tile.column, row, columns, n, sums + tile.row * k + tile.column, k);
    if (tile.row == tile.column) return;
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < columns; ++j) sums[(tile.column + j) * k + tile.row + i] = sums[(tile.row + i) * k + tile.column + j];
    }
  });
  parallel_for(shape.groups * cross_count, threads, [&](int64_t job, int) {
    const int64_t group = job / cross_count;
    const Tile tile = cross[static_cast<size_t>(job % cross_count)];
    add_tile(more.t.data() + group * shape.outputs + tile.row, channels, std::min(kTile, shape.outputs - tile.row),
             more.x.data() + group * shape.inputs + tile.column, row, std::min(kTile, shape.inputs - tile.column), n,
             tx.data() + (group * shape.outputs + tile.row) * shape.inputs + tile.column, shape.inputs);
  });
}

}  // namespace qtool::rounding
