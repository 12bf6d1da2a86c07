// Bounds-checked reading of a FlatBuffer without generated code. The verifier of the FlatBuffers library needs the
// schema as code, does not know 64-bit vectors, and would still leave shared sub-tables to blow up; here every
// access is checked where it happens, and a budget bounds the total work by the size of the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "little_endian.h"

namespace qtool::container {

class FlatView;

// A table inside a FlatView, which must outlive it. Slots count fields from 0. All functions throw
// Error(kInvalidModel) for offsets that leave the buffer.
class FlatTable {
 public:
  [[nodiscard]] bool has(uint16_t slot) const { return field_at(slot, 1).has_value(); }

  template <class T>
  [[nodiscard]] T scalar(uint16_t slot, T fallback) const;
  [[nodiscard]] std::string text(uint16_t slot) const;  // "" when absent
  [[nodiscard]] std::optional<FlatTable> table(uint16_t slot) const;
  [[nodiscard]] std::vector<FlatTable> tables(uint16_t slot) const;  // empty when absent, as all lists
  [[nodiscard]] std::vector<std::string> texts(uint16_t slot) const;
  template <class T>
  [[nodiscard]] std::vector<T> scalars(uint16_t slot) const;
  [[nodiscard]] std::span<const std::byte> bytes(uint16_t slot) const;
  // A vector with 8-byte offset and 8-byte length (NR64).
  [[nodiscard]] std::span<const std::byte> wide_bytes(uint16_t slot) const;

 private:
  friend class FlatView;
  FlatTable(const FlatView& view, size_t at);
  [[nodiscard]] std::optional<size_t> field_at(uint16_t slot, size_t size) const;
  [[nodiscard]] std::optional<size_t> target_of(uint16_t slot) const;
  struct Range {
    size_t at;
    size_t count;
  };
  [[nodiscard]] Range vector_at(uint16_t slot, size_t element_size) const;

  const FlatView* view_;
  size_t at_;
  size_t vtable_at_;
  size_t vtable_size_;
  size_t table_size_;
};

class FlatView {
 public:
  // `what` names the record in messages. Throws when there is no room for root offset and identifier.
  FlatView(std::span<const std::byte> bytes, std::string what);
  FlatView(const FlatView&) = delete;
  FlatView& operator=(const FlatView&) = delete;

  [[nodiscard]] std::string identifier() const;
  [[nodiscard]] FlatTable root() const;
  [[nodiscard]] const std::string& what() const { return what_; }

  // Takes `units` (bytes copied, or a few a table) off the budget, which only a file that refers to the same
  // content very many times can exhaust.
  void charge(uint64_t units) const;
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  friend class FlatTable;
  void require(size_t at, uint64_t size) const;
  template <class T>
  [[nodiscard]] T read(size_t at) const {
    require(at, sizeof(T));
    return load_little_endian<T>(bytes_, at);
  }
  [[nodiscard]] size_t follow(size_t at) const;  // the target of the 32-bit offset stored at `at`
  [[nodiscard]] std::string text_at(size_t at) const;

  std::span<const std::byte> bytes_;
  std::string what_;
  mutable uint64_t budget_;
};

template <class T>
T FlatTable::scalar(uint16_t slot, T fallback) const {
  const auto at = field_at(slot, sizeof(T));
  return at ? view_->read<T>(*at) : fallback;
}

template <class T>
std::vector<T> FlatTable::scalars(uint16_t slot) const {
  const Range range = vector_at(slot, sizeof(T));
  view_->charge(range.count * sizeof(T));
  std::vector<T> values;
  values.reserve(range.count);
  for (size_t i = 0; i < range.count; ++i) values.push_back(view_->read<T>(range.at + i * sizeof(T)));
  return values;
}

}  // namespace qtool::container
