// Which inputs each block of output channels of a grouped convolution reads, in the two forms of simd/grouped.inc, and the
// weights in that order.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/tensor/tensor.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

struct GroupedChannels {
  int64_t groups, in, out, block;  // channels in all; floats in a channel block
  [[nodiscard]] int64_t in_per_group() const { return in / groups; }
  [[nodiscard]] int64_t out_per_group() const { return out / groups; }
  [[nodiscard]] int64_t out_blocks() const { return (out + block - 1) / block; }
};

// Consecutive output blocks that read the same planes.
struct GroupedUnit {
  int64_t first_block = 0, blocks = 1;
  int64_t block_weights = 0;    // floats
  int64_t weights_at = 0;       // offset of the first block in the packed weights
  std::vector<std::vector<GroupedSource>> sources;  // by plane
  std::vector<GroupedPlane> planes;                 // point into `sources`: a unit may be moved, not copied

  GroupedUnit() = default;
  GroupedUnit(GroupedUnit&&) = default;
  GroupedUnit& operator=(GroupedUnit&&) = default;
};

// `taps`: kernel elements. Units in the order of output blocks.
[[nodiscard]] std::vector<GroupedUnit> grouped_units(GroupedJob::Form form, const GroupedChannels& channels, int64_t taps);

// ONNX [out, in / groups, taps...] in the order of `units`; lanes past the last channel and outside of a group are zero.
[[nodiscard]] Tensor pack_grouped_weights(GroupedJob::Form form, const GroupedChannels& channels,
                                          const std::vector<GroupedUnit>& units, const Tensor& weights, int64_t taps);

}  // namespace qtool::exec
