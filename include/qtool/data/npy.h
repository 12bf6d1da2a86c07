// NumPy's .npy format, one array a file: magic, version, a Python dict as header, then the
// elements.
//
// Read: versions 1 to 3, little endian, C and Fortran order; bool, (u)int8..64, float16/32/64.
// Write: version 1, C order.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "qtool/support/files.h"
#include "qtool/tensor/tensor.h"

namespace qtool::data {

// `name` appears in errors. Throws Error(kInvalidData) when the bytes are damaged, or do not hold
// exactly the elements that the header promises; Error(kUnsupported) for other element types and
// big endian.
[[nodiscard]] Tensor parse_npy(std::span<const std::byte> bytes, const std::string& name);
[[nodiscard]] Tensor read_npy(const std::filesystem::path& path);

// Unpacked 4-bit integers are written as 8-bit ones. Throws Error(kUnsupported) for bfloat16 and
// strings, which numpy lacks.
[[nodiscard]] Bytes to_npy(const Tensor& tensor);
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace qtool::data
