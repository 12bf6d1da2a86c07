// Grids in the form of ONNX QuantizeLinear / DequantizeLinear: real = scale * (stored - zero_point), scale in float32.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qtool/quant/encoding.h"
#include "qtool/tensor/tensor.h"

namespace qtool::quant {

// The integer type and zero points that hold a grid.
struct OnnxStorage {
  DType dtype = DType::kUInt8;
  std::vector<int64_t> zero_points;  // one a grid
  // The type has more levels than the grid (7 bits in int8, strict symmetric): QuantizeLinear alone would not clamp.
  bool wider_than_grid = false;
};

// Symmetric grids are stored signed with zero point 0, all others unsigned. The width is rounded up to 4, 8, 16 or 32.
// Throws Error(kUnsupported) for an asymmetric grid of more than 16 bits or one whose zero point the type cannot hold.
[[nodiscard]] OnnxStorage onnx_storage(const Encoding& encoding);

// The float32 tensor as stored integers. Throws Error(kInvalidModel) when the number of grids does not fit.
[[nodiscard]] Tensor store_tensor(const Tensor& tensor, const Encoding& encoding, const OnnxStorage& storage);

// The grid that integers of `dtype` with these scales and zero points stand for; symmetric when the type is signed and
// every zero point is 0. One scale: per-tensor, else one for each index of `channel_axis`. One zero
// point serves all scales, none stands for zeros. Throws Error(kInvalidModel) on scales that are not positive and finite and on differing counts,
// Error(kUnsupported) on other types than 4, 8, 16 and 32-bit integers.
[[nodiscard]] Encoding encoding_of_storage(DType dtype, std::span<const float> scales, std::span<const int64_t> zero_points,
                                           int channel_axis);

}  // namespace qtool::quant
