#include "moments.h"

#include <algorithm>

#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

using exec::MatrixOperand;
using exec::Transposed;

// Small ones for small matrices, so that threads share the work.
int64_t tile_size(int64_t inputs) { return inputs <= 1024 ? 128 : 256; }

// sums[i][j] += left[:, i]' right[:, j] over `rows` rows; the product is made in float, the sum kept in double.
void add_tile(const float* left, int64_t left_stride, int64_t m, const float* right, int64_t right_stride, int64_t n, int64_t rows,
              double* sums, int64_t stride) {
  std::vector<float> product(static_cast<size_t>(m * n));
  exec::matrix_product(m, n, rows, {left, left_stride, Transposed::kYes}, {right, right_stride}, 0.0f, product.data(), n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) sums[i * stride + j] += static_cast<double>(product[static_cast<size_t>(i * n + j)]);
  }
}

std::vector<Moments::Tile> tiles_of(int64_t rows, int64_t columns, int64_t size, bool lower_only) {
  std::vector<Moments::Tile> tiles;
  for (int64_t r = 0; r < rows; r += size) {
    for (int64_t c = 0; c < columns && (!lower_only || c <= r); c += size) tiles.push_back({r, c});
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
  const int64_t row = shape.row(), channels = shape.channels(), n = more.count;
  const auto sum_columns = [n](const std::vector<float>& values, int64_t columns, std::vector<double>& sums) {
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < columns; ++c) sums[static_cast<size_t>(c)] += static_cast<double>(values[static_cast<size_t>(r * columns + c)]);
    }
  };
  sum_columns(more.x, row, x);
  sum_columns(more.t, channels, t);
  rows += n;

  const int64_t k = block_inputs, size = tile_size(k);
  const std::vector<Tile> gram = tiles_of(k, k, size, true), cross = tiles_of(shape.outputs, shape.inputs, size, false);
  const auto gram_count = static_cast<int64_t>(gram.size()), cross_count = static_cast<int64_t>(cross.size());
  const int64_t gram_jobs = blocks * gram_count;
  parallel_for(gram_jobs + shape.groups * cross_count, threads, [&](int64_t job, int) {
    const int64_t later = job - gram_jobs;
    if (later < 0) add_gram(more, job / gram_count, gram[static_cast<size_t>(job % gram_count)], size);
    else add_cross(more, later / cross_count, cross[static_cast<size_t>(later % cross_count)], size);
  });
}

void Moments::add_gram(const Rows& more, int64_t block, const Tile& tile, int64_t size) {
  const int64_t row = shape.row(), k = block_inputs;
  const int64_t width = std::min(k, row - block * k);  // of the last block of a cut group
  if (tile.row >= width || tile.column >= width) return;
  const float* base = more.x.data() + block * k;
  double* sums = xx.data() + block * k * k;
  const int64_t height = std::min(size, width - tile.row), columns = std::min(size, width - tile.column);
  add_tile(base + tile.row, row, height, base + tile.column, row, columns, more.count, sums + tile.row * k + tile.column, k);
  if (tile.row == tile.column) return;
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < columns; ++j) sums[(tile.column + j) * k + tile.row + i] = sums[(tile.row + i) * k + tile.column + j];
  }
}

void Moments::add_cross(const Rows& more, int64_t group, const Tile& tile, int64_t size) {
  add_tile(more.t.data() + group * shape.outputs + tile.row, shape.channels(), std::min(size, shape.outputs - tile.row),
           more.x.data() + group * shape.inputs + tile.column, shape.row(), std::min(size, shape.inputs - tile.column), more.count,
           tx.data() + (group * shape.outputs + tile.row) * shape.inputs + tile.column, shape.inputs);
}

}  // namespace qtool::rounding
