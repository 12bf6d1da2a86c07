// What the solver needs to know of a layer's data: second moments of the rows it fits on, and the rows it is judged on.
#pragma once

#include <cstdint>
#include <vector>

#include "layer_site.h"

namespace qtool::rounding {

// Rows of one or several images: x [rows][shape.row()] quantized-prefix inputs, t [rows][shape.channels()] float targets
// before the activation.
struct Rows {
  int64_t count = 0;
  std::vector<float> x, t;
};

// Inputs longer than this get a block-diagonal Gram matrix: 4608 is a 3x3 convolution of 512 channels, and its matrix
// takes 170 MB in double precision.
inline constexpr int64_t kLongestBlock = 4608;

// Sums over rows, in double, of products in float: S(x), S(t), S(x x'), S(t x'). One x x' block a group; a single group
// longer than kLongestBlock is cut into equal blocks, products across blocks are left out.
struct Moments {
  explicit Moments(const LayerShape& shape);

  LayerShape shape;
  int64_t blocks = 0;         // in all
  int64_t block_inputs = 0;   // rows and columns of one block; the last block of a cut group may be shorter
  int64_t rows = 0;
  std::vector<double> x, t;   // [row()], [channels()]
  std::vector<double> xx;     // [blocks][block_inputs][block_inputs], both triangles
  std::vector<double> tx;     // [channels()][inputs]

  [[nodiscard]] bool cut() const { return blocks > shape.groups; }
  // Tiles are independent and rows are added in order, so the result does not depend on `threads`.
  void add(const Rows& rows, int threads);

  struct Tile {
    int64_t row, column;
  };

 private:
  void add_gram(const Rows& more, int64_t block, const Tile& tile, int64_t size);
  void add_cross(const Rows& more, int64_t group, const Tile& tile, int64_t size);
};

struct LayerData {
  Moments fit;
  Rows judged;          // of the images kept aside, in image order
  Rows fit_rows;        // empty unless the method iterates over rows
};

}  // namespace qtool::rounding
