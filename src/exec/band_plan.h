// Packed weights and sizes of a banded block (banded_block.h).
#pragma once

#include <vector>

#include "band_geometry.h"
#include "block_chain.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

struct BandPlan {
  const FloatKernels* kernels;
  BandGeometry geometry;
  int64_t block;                       // floats of a channel block
  int64_t images, in_channels, wide_channels;
  int64_t in_blocks, wide_blocks, out_blocks;
  int64_t band_rows, chunk_blocks;     // output rows of a band; channel blocks of a chunk, a whole number of groups
  int64_t segments;                    // parts of each phase, each on a thread of its own
  bool shared;                         // instead all threads work on one band, each on channel blocks of its own
  bool residual;
  PointwiseJob expand{}, project{};    // strides and activations; addresses and ranges come with each band
  DepthwiseRowJob depthwise{};
  Tensor expand_weights, depthwise_weights, project_weights;
  std::vector<float> expand_bias, depthwise_bias, project_bias;  // padded to whole blocks; empty for none

  // Scratch of one thread, or of all where they share a band, in floats: a row of zeros, the kept rows of all wide blocks, the new rows and the depthwise rows
  // of a chunk. One cache line between blocks, so that they do not share cache sets.
  [[nodiscard]] int64_t row_floats() const { return geometry.row_width * block; }
  [[nodiscard]] int64_t kept_block() const { return geometry.kept * row_floats() + kLine; }
  [[nodiscard]] int64_t new_block() const { return geometry.reach(band_rows) * row_floats() + kLine; }
  [[nodiscard]] int64_t depthwise_block() const { return band_rows * geometry.out_w * block + kLine; }
  [[nodiscard]] int64_t scratch_floats() const {
    return row_floats() + wide_blocks * kept_block() + chunk_blocks * (new_block() + depthwise_block());
  }

  static constexpr int64_t kLine = 16;
};

[[nodiscard]] BandPlan make_band_plan(const ir::Graph& graph, const BlockChain& chain, const FloatKernels& kernels);

}  // namespace qtool::exec
