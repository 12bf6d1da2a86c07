// Values as 8-bit codes in memory: to and from floats in any layout, and from one order to another.
#pragma once

#include <vector>

#include "qtool/exec/layout.h"
#include "qtool/quant/encoding.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

// At most 256 levels and one grid for the tensor.
[[nodiscard]] bool fits_codes(const quant::Encoding& encoding);
[[nodiscard]] simd::CodeGrid code_grid(const quant::Encoding& encoding);
[[nodiscard]] bool same_codes(const quant::Encoding& a, const quant::Encoding& b);

// Channels-last from rank 3 on, row-major below: how kernels like codes to lie.
[[nodiscard]] Layout preferred_codes(const Shape& shape);
// Dimensions as they lie in memory.
[[nodiscard]] std::vector<int64_t> physical_dims(const Shape& shape, Layout codes);
// Index in physical_dims of a logical axis.
[[nodiscard]] size_t physical_axis(const Shape& shape, Layout codes, size_t axis);

// Between codes and codes or floats of any layout; floats need not lie on the grid yet.
void convert_codes(const void* source, Layout from, void* target, Layout to, const Shape& shape, const simd::CodeGrid& grid);

// dims and strides in elements of a source seen in the target's order; the target is dense.
void permute_bytes(const std::vector<int64_t>& dims, const std::vector<int64_t>& strides, const uint8_t* source, uint8_t* target);

}  // namespace qtool::exec
