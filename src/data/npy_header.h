// The header of a .npy file.
#pragma once

#include <span>
#include <string>

#include "qtool/tensor/tensor.h"

namespace qtool::data {

struct NpyHeader {
  TensorType type;
  bool fortran_order = false;
  size_t size_bytes = 0;  // where the elements begin
};

// Every dimension is checked to be non-negative and their product to fit; nothing is allocated from
// them. Throws Error(kInvalidData) or Error(kUnsupported), without a file name.
[[nodiscard]] NpyHeader parse_npy_header(std::span<const std::byte> bytes);

// Magic, version, dict and padding to a multiple of 64 bytes.
[[nodiscard]] std::string npy_header_text(DType dtype, const Shape& shape);

}  // namespace qtool::data
