// The affine grid and how a range becomes one.
//
// Convention (AIMET/SNPE): real = scale * (code + offset), code in [0, 2^bits - 1], offset <= 0, so real zero is the
// code -offset. The "level" k = code + offset is the signed integer that enters integer arithmetic. ONNX zero points:
// unsigned storage -offset, signed storage -offset - 2^(bits-1).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qtool/tensor/shape.h"

namespace qtool::quant {

enum class Symmetry : uint8_t {
  kAsymmetric,
  kSymmetric,          // levels -2^(b-1) .. 2^(b-1)-1, offset -2^(b-1)
  kStrictSymmetric,    // levels -(2^(b-1)-1) .. 2^(b-1)-1
  kUnsignedSymmetric,  // offset 0 when no negative value was observed, else as kSymmetric
};

// What we want of a tensor's grid.
struct QuantSpec {
  int bits = 8;                             // 2..32
  Symmetry symmetry = Symmetry::kAsymmetric;
  int channel_axis = -1;                    // -1: one grid for the tensor
  double min_range = 1e-4;                  // smallest hi - lo, real units (encodings.md 2.1)
  // Per-block weights: each channel has a grid for every block_size elements of block_axis. 0: one grid a channel.
  int block_axis = -1;
  int64_t block_size = 0;
  int decompressed_bits = 0;                // above 0: low-power blockwise scales, see LowPowerScales
  bool operator==(const QuantSpec&) const = default;
};

// Observed real bounds; lo <= hi.
struct Range {
  double lo = 0.0;
  double hi = 0.0;
  bool operator==(const Range&) const = default;
  void include(const Range& other);
};

// One affine grid.
struct Grid {
  double scale = 1.0;   // real units per level, > 0
  int64_t offset = 0;   // <= 0
};

// Low-power blockwise quantization (LPBQ): the scale of a block is an integer times the scale of its channel, so that the
// accumulator of a channel needs one float scale only. encodings.md 3.2 has the formulas.
struct LowPowerScales {
  int decompressed_bits = 8;             // 2^(decompressed_bits - bits) values of a block scale, from 1
  std::vector<double> channel_scale;     // [channels]
  std::vector<int64_t> block_scale;      // [channels x blocks]; grids[i].scale = channel_scale[c] * block_scale[i]
  bool operator==(const LowPowerScales&) const = default;
};

// How the grids of a tensor lie: none, one an index of channel_axis, or one a block of block_axis for each of those.
struct GridLayout {
  int channel_axis = -1;
  int block_axis = -1;
  int64_t block_size = 0;
  [[nodiscard]] bool per_block() const { return block_size > 0; }
};

// What we found: the spec's storage facts plus one grid, or one for every index of the channel axis, or one for every
// block: grid of channel c, block k is grids[c * blocks + k].
struct Encoding {
  int bits = 8;
  bool is_symmetric = false;
  bool is_strict = false;
  int channel_axis = -1;
  std::vector<Grid> grids;
  int block_axis = -1;
  int64_t block_size = 0;                    // 0: not per block
  std::optional<LowPowerScales> low_power;

  [[nodiscard]] bool per_channel() const { return channel_axis >= 0; }
  [[nodiscard]] bool per_block() const { return block_size > 0; }
  [[nodiscard]] GridLayout layout() const { return {channel_axis, block_axis, block_size}; }
  [[nodiscard]] int64_t level_count() const { return (int64_t{1} << bits) - (is_strict ? 2 : 1); }  // steps, not codes
  [[nodiscard]] int64_t lowest_level(size_t i = 0) const { return grids[i].offset; }
  [[nodiscard]] int64_t highest_level(size_t i = 0) const { return grids[i].offset + level_count(); }
  [[nodiscard]] double min(size_t i = 0) const { return grids[i].scale * static_cast<double>(lowest_level(i)); }
  [[nodiscard]] double max(size_t i = 0) const { return grids[i].scale * static_cast<double>(highest_level(i)); }
  // Symmetric grids with offset -2^(b-1) or -(2^(b-1)-1) are stored signed.
  [[nodiscard]] bool stored_signed() const { return is_symmetric && !grids.empty() && grids[0].offset < 0; }
};

// encodings.md 2.1-2.4. Zero is included in the range; a range below spec.min_range is widened upwards.
// Throws Error(kInvalidData) on non-finite bounds and Error(kUsage) on bits outside 2..32.
[[nodiscard]] Grid grid_from_range(const QuantSpec& spec, Range range);

// One range: per-tensor; several: per channel of spec.channel_axis, or per block of spec.block_axis, in the order of
// Encoding::grids; `channels` is needed for low-power scales only, which round the block scales up or down.
[[nodiscard]] Encoding encoding_from_ranges(const QuantSpec& spec, std::span<const Range> ranges,
                                            size_t channels = 0);

// Elements [begin, end) of the grids of channel c.
[[nodiscard]] inline std::span<const Grid> grids_of_channel(const Encoding& encoding, size_t channel, size_t channels) {
  const size_t blocks = encoding.grids.size() / channels;
  return std::span(encoding.grids).subspan(channel * blocks, blocks);
}

// int32 bias grid with scale s_x * s_w[c] (symmetric, offset -2^31), per channel when `weight` is. A bias of one value
// for all channels has one grid, with the largest of these scales. Blocks: the channel's largest scale, with low-power
// scales the channel's own (encodings.md 4); `channels` says how many there are.
[[nodiscard]] Encoding bias_encoding(double input_scale, const Encoding& weight, int64_t value_count = 0, size_t channels = 0);

// Sum of x^2 over sum of (x - x^)^2, in dB; +inf when equal.
[[nodiscard]] double sqnr_db(double signal_power, double noise_power);

}  // namespace qtool::quant
