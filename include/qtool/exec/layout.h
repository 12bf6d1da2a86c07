// How a value lies in memory while the executor runs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "qtool/tensor/tensor.h"

namespace qtool::exec {

enum class Storage : uint8_t {
  kFloat,              // float32, or the integer type of the value
  kCodes,              // one byte an element, code = level - lowest level of the value's grid; row-major
  kCodesChannelsLast,  // the same as [N, spatial..., C]
};

// Float storage, block 1: plain row-major. block b > 1: [N, ceil(C / b), spatial..., b]; lanes past C are padding with
// no meaning. Codes (simulation only) are never blocked.
struct Layout {
  int64_t block = 1;
  Storage storage = Storage::kFloat;
  [[nodiscard]] bool plain() const { return block == 1 && storage == Storage::kFloat; }
  [[nodiscard]] bool codes() const { return storage != Storage::kFloat; }
  bool operator==(const Layout&) const = default;
};

// Elements in memory, padding lanes included.
[[nodiscard]] int64_t physical_count(const Shape& shape, Layout layout);

// A float tensor as it lies in memory.
struct PhysicalView {
  const float* data = nullptr;
  Shape shape;
  Layout layout;
};

// Calls fn with spans that together hold every element once, padding left out. Order is not logical order.
void for_each_span(const PhysicalView& view, const std::function<void(std::span<const float>)>& fn);

// Calls fn(channel, span) likewise; channel is the index on axis 1. Plain tensors of rank < 2 are one channel.
void for_each_channel_span(const PhysicalView& view, const std::function<void(int64_t, std::span<const float>)>& fn);

// Row-major copy.
void copy_to_plain(const PhysicalView& view, float* target);
void copy_from_plain(const float* source, const Shape& shape, Layout layout, float* target);

}  // namespace qtool::exec
