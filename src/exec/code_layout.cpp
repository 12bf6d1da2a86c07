#include "code_layout.h"

#include <algorithm>
#include <cstring>

#include "qtool/support/error.h"

namespace qtool::exec {

namespace {

constexpr int64_t kTile = 64;

// target[c][r] = source[r][c].
void transpose_bytes(const uint8_t* source, int64_t rows, int64_t columns, int64_t row_stride, uint8_t* target,
                     int64_t target_stride) {
  constexpr int64_t kBlock = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const int64_t r1 = std::min(r0 + kBlock, rows);
    for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      const int64_t c1 = std::min(c0 + kBlock, columns);
      for (int64_t c = c0; c < c1; ++c) {
        uint8_t* row = target + c * target_stride;
        for (int64_t r = r0; r < r1; ++r) row[r] = source[r * row_stride + c];
      }
    }
  }
}

struct Image {
  int64_t batch, channels, spatial;
};
Image describe(const Shape& shape) { return {shape[0], shape[1], shape.span_count(2, shape.rank())}; }

void codes_to_codes(const uint8_t* source, Layout from, uint8_t* target, const Shape& shape) {
  const Image d = describe(shape);
  const bool last = from.storage == Storage::kCodesChannelsLast;
  const int64_t rows = last ? d.spatial : d.channels, columns = last ? d.channels : d.spatial;
  for (int64_t n = 0; n < d.batch; ++n) {
    transpose_bytes(source + n * rows * columns, rows, columns, columns, target + n * rows * columns, rows);
  }
}

// Channels-last codes to row-major floats, a tile of pixels at a time: transposed as bytes, then decoded by rows.
void channels_last_to_plain(const uint8_t* source, float* target, const Image& d, const simd::CodeGrid& grid) {
  std::vector<uint8_t> tile(static_cast<size_t>(d.channels * kTile));
  for (int64_t n = 0; n < d.batch; ++n, source += d.spatial * d.channels, target += d.spatial * d.channels) {
    for (int64_t s = 0; s < d.spatial; s += kTile) {
      const int64_t width = std::min(kTile, d.spatial - s);
      transpose_bytes(source + s * d.channels, width, d.channels, d.channels, tile.data(), kTile);
      for (int64_t c = 0; c < d.channels; ++c) {
        simd::code_kernels().decode(tile.data() + c * kTile, target + c * d.spatial + s, width, grid);
      }
    }
  }
}

void plain_to_channels_last(const float* source, uint8_t* target, const Image& d, const simd::CodeGrid& grid) {
  std::vector<uint8_t> tile(static_cast<size_t>(d.channels * kTile));
  for (int64_t n = 0; n < d.batch; ++n, source += d.spatial * d.channels, target += d.spatial * d.channels) {
    for (int64_t s = 0; s < d.spatial; s += kTile) {
      const int64_t width = std::min(kTile, d.spatial - s);
      for (int64_t c = 0; c < d.channels; ++c) {
        simd::code_kernels().encode(source + c * d.spatial + s, tile.data() + c * kTile, width, grid);
      }
      transpose_bytes(tile.data(), d.channels, width, kTile, target + s * d.channels, d.channels);
    }
  }
}

// Padding lanes of a block are decoded from whatever follows them is not: they become zero.
void channels_last_to_blocked(const uint8_t* source, float* target, const Image& d, int64_t block, const simd::CodeGrid& grid) {
  const int64_t blocks = (d.channels + block - 1) / block;
  for (int64_t n = 0; n < d.batch; ++n, source += d.spatial * d.channels) {
    for (int64_t b = 0; b < blocks; ++b, target += d.spatial * block) {
      const int64_t lanes = std::min(block, d.channels - b * block);
      for (int64_t s = 0; s < d.spatial; ++s) {
        simd::code_kernels().decode(source + s * d.channels + b * block, target + s * block, lanes, grid);
        std::fill(target + s * block + lanes, target + (s + 1) * block, 0.0f);
      }
    }
  }
}

void blocked_to_channels_last(const float* source, uint8_t* target, const Image& d, int64_t block, const simd::CodeGrid& grid) {
  const int64_t blocks = (d.channels + block - 1) / block;
  for (int64_t n = 0; n < d.batch; ++n, target += d.spatial * d.channels) {
    for (int64_t b = 0; b < blocks; ++b, source += d.spatial * block) {
      const int64_t lanes = std::min(block, d.channels - b * block);
      for (int64_t s = 0; s < d.spatial; ++s) {
        simd::code_kernels().encode(source + s * block, target + s * d.channels + b * block, lanes, grid);
      }
    }
  }
}

// Row-major codes and blocked floats meet in channels-last order.
void through_channels_last(const void* source, Layout from, void* target, Layout to, const Shape& shape, const simd::CodeGrid& grid) {
  std::vector<uint8_t> between(static_cast<size_t>(shape.element_count()));
  const Layout middle{.storage = Storage::kCodesChannelsLast};
  convert_codes(source, from, between.data(), middle, shape, grid);
  convert_codes(between.data(), middle, target, to, shape, grid);
}

}  // namespace

bool fits_codes(const quant::Encoding& encoding) {
  return !encoding.per_channel() && encoding.grids.size() == 1 && encoding.bits <= 8;
}

simd::CodeGrid code_grid(const quant::Encoding& encoding) {
  return {static_cast<float>(encoding.grids[0].scale), static_cast<float>(encoding.lowest_level()),
          static_cast<float>(encoding.highest_level())};
}

bool same_codes(const quant::Encoding& a, const quant::Encoding& b) {
  return a.grids[0].scale == b.grids[0].scale && a.grids[0].offset == b.grids[0].offset &&
         a.level_count() == b.level_count();
}

Layout preferred_codes(const Shape& shape) {
  return {.storage = shape.rank() >= 3 ? Storage::kCodesChannelsLast : Storage::kCodes};
}

std::vector<int64_t> physical_dims(const Shape& shape, Layout codes) {
  std::vector<int64_t> dims(shape.begin(), shape.end());
  if (codes.storage == Storage::kCodesChannelsLast) std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
  return dims;
}

size_t physical_axis(const Shape& shape, Layout codes, size_t axis) {
  if (codes.storage != Storage::kCodesChannelsLast || axis == 0) return axis;
  return axis == 1 ? shape.rank() - 1 : axis - 1;
}

void convert_codes(const void* source, Layout from, void* target, Layout to, const Shape& shape, const simd::CodeGrid& grid) {
  const int64_t count = shape.element_count();
  const auto* codes = static_cast<const uint8_t*>(source);
  const auto* floats = static_cast<const float*>(source);
  auto* to_codes = static_cast<uint8_t*>(target);
  auto* to_floats = static_cast<float*>(target);
  const bool from_last = from.storage == Storage::kCodesChannelsLast, to_last = to.storage == Storage::kCodesChannelsLast;
  QTOOL_CHECK(from.codes() || to.codes());
  if (count == 0) return;
  if (from.codes() && to.codes()) {
    if (from == to) std::memcpy(target, source, static_cast<size_t>(count));
    else codes_to_codes(codes, from, to_codes, shape);
  } else if (from.codes()) {
    if (to.plain() && !from_last) simd::code_kernels().decode(codes, to_floats, count, grid);
    else if (to.plain()) channels_last_to_plain(codes, to_floats, describe(shape), grid);
    else if (from_last) channels_last_to_blocked(codes, to_floats, describe(shape), to.block, grid);
    else through_channels_last(source, from, target, to, shape, grid);
  } else {
    if (from.plain() && !to_last) simd::code_kernels().encode(floats, to_codes, count, grid);
    else if (from.plain()) plain_to_channels_last(floats, to_codes, describe(shape), grid);
    else if (to_last) blocked_to_channels_last(floats, to_codes, describe(shape), from.block, grid);
    else through_channels_last(source, from, target, to, shape, grid);
  }
}

void permute_bytes(const std::vector<int64_t>& dims, const std::vector<int64_t>& strides, const uint8_t* source, uint8_t* target) {
  const size_t rank = dims.size();
  if (rank == 0) {
    *target = *source;
    return;
  }
  const int64_t columns = dims[rank - 1], column_stride = strides[rank - 1];
  const int64_t rows = rank >= 2 ? dims[rank - 2] : 1, row_stride = rank >= 2 ? strides[rank - 2] : 0;
  int64_t outer = 1;
  for (size_t d = 0; d + 2 < rank; ++d) outer *= dims[d];
  std::vector<int64_t> at(rank, 0);
  int64_t offset = 0;
  for (int64_t o = 0; o < outer; ++o, target += rows * columns) {
    if (column_stride == 1) {
      for (int64_t r = 0; r < rows; ++r) {
        std::memcpy(target + r * columns, source + offset + r * row_stride, static_cast<size_t>(columns));
      }
    } else if (row_stride == 1) {
      transpose_bytes(source + offset, columns, rows, column_stride, target, columns);
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) target[r * columns + c] = source[offset + r * row_stride + c * column_stride];
      }
    }
    for (size_t d = rank >= 2 ? rank - 2 : 0; d-- > 0;) {
      offset += strides[d];
      if (++at[d] < dims[d]) break;
      offset -= strides[d] * dims[d];
      at[d] = 0;
    }
  }
}

}  // namespace qtool::exec
