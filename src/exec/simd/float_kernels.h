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

// One 1x1 stride-1 convolution of a box of pixels on channel-blocked memory. Strides are in floats.
struct PointwiseJob {
  const float* source;    // first pixel in the first channel block
  const float* weights;   // packed [group][in_channels][group blocks * block]
  const float* bias;      // [out_blocks * block], or null
  const float* addend;    // added before the activation; lies like the target, may be the target; or null
  float* target;
  int64_t in_channels, out_blocks;
  int64_t count, rows;                 // pixels of a row, side by side; rows
  int64_t source_block, source_row;    // from one channel block, one row to the next
  int64_t target_block, target_row;
  int64_t following;                   // pixels behind a single row that the next job will read
  bool weights_follow;                 // instead of pixels, weights behind the ones in use are fetched ahead
  Finish finish;
};

// One row of one channel block of a depthwise convolution.
struct DepthwiseRowJob {
  const float* const* rows;   // by kernel row: the input under the first tap of the first output pixel
  const float* weights;       // [kernel_h][kernel_w][block]
  const float* bias;          // [block], or null
  float* target;
  int64_t kernel_h, kernel_w;
  int64_t tap_step, stride;   // pixels from one tap, one output pixel to the next
  int64_t count;              // output pixels
  Finish finish;
};

// Lanes of one input block that go into a plane of a grouped convolution. For blocks of 8 the first 8 entries count.
struct GroupedSource {
  int64_t block;
  int32_t lanes[16];   // where each lane of the plane comes from
  int32_t taken[16];   // -1: this source fills the lane, 0: another one does
};

// One vector of inputs under every tap, see simd/grouped.inc.
struct GroupedPlane {
  const GroupedSource* sources;
  int64_t source_count;
  int64_t first_lane, lanes;   // broadcast form: the lanes that some output of the unit reads
  bool straight;               // one source, every lane in its place
};

// A box of output of one image: consecutive output blocks that read the same planes. Axes are depth, height, width.
struct GroupedJob {
  enum Form : int32_t { kLanes, kBroadcast } form;
  const float* source;         // [in_blocks, in, block]
  const float* weights;        // of the unit: [group][plane][tap][lane: broadcast form only][blocks of the group * block]
  const float* bias;           // of the unit: [blocks * block], or null
  float* target;               // of the unit: [blocks, out, block]
  float* scratch;              // patch of all planes; not used when direct
  const GroupedPlane* planes;
  const int64_t* patch_taps;   // offset of each tap, in floats
  const int64_t* direct_taps;
  int64_t plane_count, tap_count;
  int64_t adjacent_taps;       // kernel width where neither strides nor dilations part its taps, else 0
  int64_t block_count, block_weights;  // output blocks of the unit; floats between their weights
  int64_t in[3], out[3], strides[3], dilations[3], pads[3];
  int64_t patch[3];            // extents of a plane of the patch
  int64_t first[3], count[3];  // output box; count[0] is 1
  bool direct;                 // planes are consecutive blocks as they lie, and the box needs nothing outside of the image
  Finish finish;
};

struct FloatKernels {
  int64_t block;                     // channel block these loops are compiled for
  int64_t panel;                     // tiles or pixels a register kernel holds: good counts are multiples
  double flops_per_round;            // of multiply_add_loop
  float (*multiply_add_loop)(int64_t rounds);
  void (*winograd)(const WinogradJob& job);
  void (*pointwise)(const PointwiseJob& job);
  void (*grouped)(const GroupedJob& job);
  void (*depthwise_row)(const DepthwiseRowJob& job);
  // x * sigmoid(x) and sigmoid(x), within 2e-7 of the largest; y may equal x. Twice as fast as those of simd::kernels(),
  // whose bits are the same in every instruction set.
  void (*silu)(const float* x, float* y, int64_t n);
  void (*sigmoid)(const float* x, float* y, int64_t n);
};

// Output channel blocks multiplied together by one register kernel; the last group may be smaller. Weights of dense layers are packed
// [group][in_channels][group blocks * block], for Winograd [group][36][in_channels][group blocks * block].
inline constexpr int64_t kOutGroup = 2;
inline constexpr int64_t kWinogradPoints = 36;

// Floats between two of the 36 planes: one cache line more than the data, so that planes do not share cache sets.
constexpr int64_t winograd_plane(int64_t blocks, int64_t tiles, int64_t block) { return blocks * tiles * block + 16; }

constexpr int64_t winograd_scratch_floats(int64_t in_blocks, int64_t tiles, int64_t block) {
  return kWinogradPoints * (winograd_plane(in_blocks, tiles, block) + winograd_plane(kOutGroup, tiles, block));
}

// Those of the instruction set in use (simd::kernels().isa).
[[nodiscard]] const FloatKernels& float_kernels();

}  // namespace qtool::exec
