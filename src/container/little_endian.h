// Unaligned little-endian access; the supported hosts are little endian themselves.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include "qtool/support/files.h"

namespace qtool::container {

static_assert(std::endian::native == std::endian::little);

// The caller has checked the bounds.
template <class T>
[[nodiscard]] T load_little_endian(std::span<const std::byte> bytes, size_t at) {
  static_assert(std::is_arithmetic_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

template <class T>
void append_little_endian(Bytes& bytes, T value) {
  static_assert(std::is_arithmetic_v<T>);
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

}  // namespace qtool::container
