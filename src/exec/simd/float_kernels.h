// Inner loops of float layers, compiled once for each instruction set with fused multiply-add.
//
// Unlike qtool/tensor/simd.h nothing here decides integers: the simulation of two operands on grids never comes here.
// Sums run in a fixed order, so results depend on the instruction set but on neither threads nor blocking.
#pragma once

#include <cstdint>

namespace qtool::exec {

// What is applied to a result while it is in registers. Plain data, because the loops are compiled apart.
struct Finish {
  enum Kind : int32_t { kNone, kRelu, kClip, kSilu } kind;
  float lo, hi;  // kClip
};

// One 3x3 stride-1 convolution as Winograd F(4x4, 3x3) on channel-blocked memory; see winograd.h for the method.
struct WinogradJob {
  const float* source;    // [N, in_blocks, in_h, in_w, block]
  const float* weights;   // packed by pack_winograd_weights
  const float* bias;      // [out_blocks * block], or null
  float* target;          // [N, out_blocks, out_h, out_w, block]
  float* scratch;         // winograd_scratch_floats(in_blocks, tiles)
  int64_t in_channels, in_blocks, in_h, in_w;
  int64_t out_blocks, out_h, out_w;
  int64_t pad_top, pad_left;
  int64_t tiles_h, tiles_w;          // 4x4 output tiles of one image
  int64_t first_tile, tiles;         // range to compute, numbered over all images
  Finish finish;
};

struct FloatKernels {
  int64_t block;                     // channel block these loops are compiled for
  int64_t winograd_panel;            // tiles a register kernel holds: good tile counts are multiples
  double flops_per_round;            // of multiply_add_loop
  float (*multiply_add_loop)(int64_t rounds);
  void (*winograd)(const WinogradJob& job);
};

// Output blocks multiplied together, and the order of packed weights: [group][36][in_channels][group blocks * block].
inline constexpr int64_t kWinogradGroup = 2;
inline constexpr int64_t kWinogradPoints = 36;

// Floats between two of the 36 planes: one cache line more than the data, so that planes do not share cache sets.
constexpr int64_t winograd_plane(int64_t blocks, int64_t tiles, int64_t block) { return blocks * tiles * block + 16; }

constexpr int64_t winograd_scratch_floats(int64_t in_blocks, int64_t tiles, int64_t block) {
  return kWinogradPoints * (winograd_plane(in_blocks, tiles, block) + winograd_plane(kWinogradGroup, tiles, block));
}

// Those of the instruction set in use (simd::kernels().isa).
[[nodiscard]] const FloatKernels& float_kernels();

}  // namespace qtool::exec
