#include "qtool/data/npy.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "npy_header.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

// Fortran order: the first index runs fastest. Walks the target in C order, stepping through the
// source.
void copy_fortran_order(const std::byte* source, const Shape& shape, size_t element_bytes,
                        std::byte* target) {
  const size_t rank = shape.rank();
  std::vector<int64_t> stride(rank, 1), index(rank, 0);
  for (size_t i = 1; i < rank; ++i) stride[i] = stride[i - 1] * shape[i - 1];
  const int64_t count = shape.element_count();
  int64_t at = 0;
  for (int64_t done = 0; done < count; ++done, target += element_bytes) {
    std::memcpy(target, source + static_cast<size_t>(at) * element_bytes, element_bytes);
    for (size_t i = rank; i-- > 0;) {
      at += stride[i];
      if (++index[i] < shape[i]) break;
      at -= stride[i] * shape[i];
      index[i] = 0;
    }
  }
}

Tensor parse(std::span<const std::byte> bytes) {
  const NpyHeader header = parse_npy_header(bytes);
  const std::span<const std::byte> elements = bytes.subspan(header.size_bytes);
  const auto& [dtype, shape] = header.type;
  size_t wanted = dtype_size_bytes(dtype);
  for (const int64_t dim : shape)
    wanted *= static_cast<size_t>(dim);  // checked by parse_npy_header
  if (elements.size() != wanted) {
    throw Error(ErrorCode::kInvalidData,
                format("damaged .npy: shape {} of {} needs {} bytes, the file holds {}",
                       shape.text(), dtype_name(dtype), wanted, elements.size()));
  }
  Tensor result(dtype, shape);
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  if (wanted == 0) return result;
  if (header.fortran_order) {
    copy_fortran_order(elements.data(), shape, dtype_size_bytes(dtype), target);
  } else {
    std::memcpy(target, elements.data(), wanted);
  }
  if (dtype == DType::kBool) {  // any other byte than 0 and 1 in a C++ bool is undefined behaviour
    for (size_t i = 0; i < wanted; ++i)
      target[i] = target[i] == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  return result;
}

DType storage_dtype(DType dtype) {
  if (dtype == DType::kInt4) return DType::kInt8;
  return dtype == DType::kUInt4 ? DType::kUInt8 : dtype;
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return parse(bytes);
  } catch (Error& error) {
    error.with("file", name);
    throw;
  }
}

Tensor read_npy(const std::filesystem::path& path) {
  return parse_npy(read_file(path), path.string());
}

Bytes to_npy(const Tensor& tensor) {
  const std::string header = npy_header_text(storage_dtype(tensor.dtype()), tensor.shape());
  const auto text = std::as_bytes(std::span(header));
  Bytes result(text.begin(), text.end());
  result.insert(result.end(), tensor.bytes().begin(), tensor.bytes().end());
  return result;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  write_file_atomically(path, to_npy(tensor));
}

}  // namespace qtool::data
