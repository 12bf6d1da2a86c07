#include "code_product.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

using Kind = FusedActivation::Kind;

size_t align64(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Kernel positions [first, last) that lie inside the image.
using Taps = std::pair<int64_t, int64_t>;

Taps taps_inside(const ops::Window3d& w, size_t axis, int64_t at) {
  const int64_t begin = at * w.strides[axis] - w.pads_begin[axis];
  Taps taps{w.kernel[axis], 0};
  for (int64_t k = 0; k < w.kernel[axis]; ++k) {
    const int64_t position = begin + k * w.dilations[axis];
    if (position < 0 || position >= w.input[axis]) continue;
    taps.first = std::min(taps.first, k);
    taps.second = k + 1;
  }
  return taps;
}

struct Run {
  int64_t begin, end;
  size_t pattern;
};

// Positions of an axis by the taps inside: one index a distinct pair.
struct AxisPatterns {
  std::vector<Taps> distinct;
  std::vector<Run> runs;

  AxisPatterns(const ops::Window3d& w, size_t axis) {
    for (int64_t at = 0; at < w.output[axis]; ++at) {
      const Taps taps = taps_inside(w, axis, at);
      const auto found = std::find(distinct.begin(), distinct.end(), taps);
      const auto pattern = static_cast<size_t>(found - distinct.begin());
      if (found == distinct.end()) distinct.push_back(taps);
      if (!runs.empty() && runs.back().pattern == pattern) ++runs.back().end;
      else runs.push_back({at, at + 1, pattern});
    }
  }
};

// Signed bytes and what is missing from them, by output channel.
struct SplitWeights {
  std::vector<int8_t> bytes;
  std::vector<int32_t> shift;  // empty: none is needed
  double largest_sum = 0.0;    // bound of every 32-bit sum on the way
};

constexpr size_t kSumRun = 4096;  // 8-bit magnitudes whose sum fits 32 bits by far

SplitWeights split(const CodeProductSpec& spec) {
  SplitWeights result;
  const auto& levels = spec.weight_levels;
  const auto channels = static_cast<size_t>(spec.shape.out_channels);
  const size_t per_channel = levels.size() / channels;
  std::vector<int32_t> shift(channels, 0);
  result.bytes.resize(levels.size());
  for (size_t c = 0; c < channels; ++c) {
    const std::span<const int16_t> row(levels.data() + c * per_channel, per_channel);
    int16_t low = 0, high = 0;
    for (const int16_t level : row) {
      low = std::min(low, level);
      high = std::max(high, level);
    }
    if (high > 127) shift[c] = high - 127;
    else if (low < -128) shift[c] = low + 128;
    if (low - shift[c] < -128 || high - shift[c] > 127) return {};
    int64_t byte_sum = 0, level_sum = 0;  // of magnitudes
    for (size_t first = 0; first < per_channel; first += kSumRun) {
      int32_t bytes = 0, wholes = 0;
      for (size_t i = first; i < std::min(first + kSumRun, per_channel); ++i) {
        const int32_t level = row[i], byte = level - shift[c];
        result.bytes[c * per_channel + i] = static_cast<int8_t>(byte);
        bytes += std::abs(byte);
        wholes += std::abs(level);
      }
      byte_sum += bytes;
      level_sum += wholes;
    }
    const double sum = 255.0 * static_cast<double>(byte_sum + static_cast<int64_t>(per_channel) * std::abs(shift[c])) +
                       std::abs(static_cast<double>(spec.input_lowest)) * static_cast<double>(level_sum);
    result.largest_sum = std::max(result.largest_sum, sum);
  }
  if (std::any_of(shift.begin(), shift.end(), [](int32_t s) { return s != 0; })) result.shift = std::move(shift);
  return result;
}

class ProductKernel final : public Kernel {
 public:
  ProductKernel(const CodeProductSpec& spec, CodeConv conv, std::optional<CodeConv> window_conv, SplitWeights weights)
      : spec_(spec), conv_(std::move(conv)), window_conv_(std::move(window_conv)), weight_shift_(std::move(weights.shift)),
        rows_(spec.shape.window, 1), columns_(spec.shape.window, 2) {
    spec_.table = nullptr;
    if (spec.table != nullptr) table_ = *spec.table;
    has_table_ = spec.table != nullptr;
    float largest = 0.0f;  // of the real values
    for (size_t c = 0; c < spec_.scale.size(); ++c) largest = std::max(largest, spec_.scale[c] * 0x1p24f + std::abs(spec_.bias[c]));
    if (spec_.grid && !(largest < 0x1p30f * std::min(spec_.grid->scale, 1.0f))) spec_.grid->inverse = 0.0f;
    make_corrections();
    repeat_channels();
    spec_.weight_levels.clear();
    spec_.weight_levels.shrink_to_fit();
    clip_lo_ = -std::numeric_limits<float>::infinity();
    clip_hi_ = std::numeric_limits<float>::infinity();
    if (spec_.activation.kind == Kind::kRelu) clip_lo_ = 0.0f;
    if (spec_.activation.kind == Kind::kClip) std::tie(clip_lo_, clip_hi_) = std::pair(spec_.activation.lo, spec_.activation.hi);
    lay_out_scratch();
  }

  [[nodiscard]] size_t scratch_bytes() const { return scratch_bytes_; }

  void run(const KernelArgs& args) const override {
    const ConvShape& s = spec_.shape;
    const int64_t image_size = s.in_rows() * s.in_columns() * s.in_channels;
    auto* sums = reinterpret_cast<int32_t*>(args.scratch + sums_at_);
    auto* windows = reinterpret_cast<int32_t*>(args.scratch + windows_at_);
    for (int64_t n = 0; n < spec_.batch; ++n) {
      const uint8_t* image = static_cast<const uint8_t*>(args.in[0]) + n * image_size;
      for (size_t band = 0; band < conv_.bands().size(); ++band) {
        conv_.run(band, image, sums, args.scratch);
        if (window_conv_) window_conv_->run(band, image, windows, args.scratch);
        else if (!weight_shift_.empty()) box_sums(conv_.bands()[band], image, reinterpret_cast<int32_t*>(args.scratch + pixels_at_), windows);
        finish_band(conv_.bands()[band], n, sums, windows, args);
      }
    }
  }

 private:
  void make_corrections() {
    const ConvShape& s = spec_.shape;
    const int64_t kw = s.window.kernel[2], taps = s.window.kernel[1] * kw, depth = s.in_channels / s.groups;
    std::vector<int64_t> tap_sums(static_cast<size_t>(s.out_channels * taps), 0);  // over the input channels
    const int16_t* level = spec_.weight_levels.data();
    for (int64_t c = 0; c < s.out_channels; ++c) {
      int64_t* sums = tap_sums.data() + c * taps;
      for (int64_t i = 0; i < depth; ++i, level += taps) {
        for (int64_t tap = 0; tap < taps; ++tap) sums[tap] += level[tap];
      }
    }
    for (const Taps& rows : rows_.distinct) {
      for (const Taps& columns : columns_.distinct) {
        for (int64_t c = 0; c < s.out_channels; ++c) {
          int64_t sum = 0;
          for (int64_t y = rows.first; y < rows.second; ++y) {
            for (int64_t x = columns.first; x < columns.second; ++x) sum += tap_sums[static_cast<size_t>(c * taps + y * kw + x)];
          }
          corrections_.push_back(static_cast<int32_t>(spec_.input_lowest * sum));
        }
      }
    }
  }

  // To a multiple of simd::kPeriodUnit entries.
  void repeat_channels() {
    const int64_t channels = spec_.shape.out_channels;
    period_ = std::lcm(channels, simd::kPeriodUnit);
    const auto repeated = [&](const auto& values) {
      auto result = values;
      result.clear();
      for (auto row = values.begin(); row != values.end(); row += channels) {
        for (int64_t at = 0; at < period_; at += channels) result.insert(result.end(), row, row + channels);
      }
      return result;
    };
    spec_.scale = repeated(spec_.scale);
    spec_.bias = repeated(spec_.bias);
    corrections_ = repeated(corrections_);
  }

  void lay_out_scratch() {
    const ConvShape& s = spec_.shape;
    const auto pixels = static_cast<size_t>(conv_.largest_band_rows() * s.out_columns());
    const auto channels = static_cast<size_t>(s.out_channels);
    const auto place = [this](size_t bytes) {
      const size_t at = scratch_bytes_;
      scratch_bytes_ += align64(bytes);
      return at;
    };
    place(std::max(conv_.scratch_bytes(), window_conv_ ? window_conv_->scratch_bytes() : 0));
    sums_at_ = place(pixels * channels * sizeof(int32_t));
    if (!weight_shift_.empty()) {
      windows_at_ = place(pixels * (window_conv_ ? channels : 1) * sizeof(int32_t));
      if (!window_conv_) pixels_at_ = place(static_cast<size_t>(s.in_rows() * s.in_columns()) * sizeof(int32_t));
    }
    if (through_floats()) floats_at_ = place(pixels * channels * sizeof(float));
  }

  // Values that need more than a clamp between sum and code, or stay floats, pass through a buffer.
  [[nodiscard]] bool through_floats() const {
    return !spec_.grid || spec_.activation.kind == Kind::kSilu || spec_.sums_in_double;
  }

  // Sums of the codes under each window (one group).
  void box_sums(const Band& band, const uint8_t* image, int32_t* pixels, int32_t* windows) const {
    const ConvShape& s = spec_.shape;
    const ops::Window3d& w = s.window;
    const int64_t columns = s.in_columns();
    const int64_t first = band.source_row * columns;
    simd::code_kernels().row_sums(image + first * s.in_channels, band.source_rows * columns, s.in_channels, pixels + first);
    for (int64_t row = band.row; row < band.row + band.rows; ++row) {
      const Taps rows = taps_inside(w, 1, row);
      for (const Run& run : columns_.runs) {
        const Taps inside = columns_.distinct[run.pattern];
        for (int64_t column = run.begin; column < run.end; ++column) {
          int32_t sum = 0;
          for (int64_t y = rows.first; y < rows.second; ++y) {
            const int32_t* line = pixels + (row * w.strides[1] - w.pads_begin[1] + y * w.dilations[1]) * columns;
            for (int64_t x = inside.first; x < inside.second; ++x) sum += line[column * w.strides[2] - w.pads_begin[2] + x * w.dilations[2]];
          }
          *windows++ = sum;
        }
      }
    }
  }

  // Pixels that share a correction, from `pixel` of the band on. Few enough for their codes to stay in the first-level
  // cache until they have gone through the table.
  static constexpr int64_t kPiece = 128;
  struct Stretch {
    int64_t pixel, count;
    const int32_t* correction;
  };

  template <class Fn>
  void for_each_stretch(const Band& band, Fn&& fn) const {
    const int64_t columns = spec_.shape.out_columns();
    const auto correction = [this](size_t row_pattern, size_t column_pattern) {
      return corrections_.data() + (row_pattern * columns_.distinct.size() + column_pattern) * static_cast<size_t>(period_);
    };
    for (const Run& rows : rows_.runs) {
      const int64_t begin = std::max(rows.begin, band.row), end = std::min(rows.end, band.row + band.rows);
      if (begin >= end) continue;
      if (columns_.runs.size() == 1) {
        const int64_t last = (end - band.row) * columns;
        for (int64_t at = (begin - band.row) * columns; at < last; at += kPiece) {
          fn(Stretch{at, std::min(kPiece, last - at), correction(rows.pattern, 0)});
        }
        continue;
      }
      for (int64_t row = begin; row < end; ++row) {
        for (const Run& run : columns_.runs) {
          fn(Stretch{(row - band.row) * columns + run.begin, run.end - run.begin, correction(rows.pattern, run.pattern)});
        }
      }
    }
  }

  void finish_band(const Band& band, int64_t n, const int32_t* sums, const int32_t* windows, const KernelArgs& args) const {
    const ConvShape& s = spec_.shape;
    const int64_t channels = s.out_channels, first = (n * s.out_rows() + band.row) * s.out_columns();
    const int64_t pixels = band.rows * s.out_columns();
    const int64_t window_stride = window_conv_ ? 1 : 0;
    auto* floats = reinterpret_cast<float*>(args.scratch + floats_at_);
    auto* codes = static_cast<uint8_t*>(args.out[0]) + first * channels;
    for_each_stretch(band, [&](const Stretch& stretch) {
      const simd::ProductChannels product{period_, stretch.correction, weight_shift_.empty() ? nullptr : weight_shift_.data(),
                                          spec_.scale.data(), spec_.bias.data(), clip_lo_, clip_hi_};
      const int32_t* from = sums + stretch.pixel * channels;
      const int32_t* window = windows + stretch.pixel * (window_conv_ ? channels : 1);
      const int64_t at = stretch.pixel * channels;
      if (spec_.sums_in_double) {
        scale_in_double(from, window, stretch.count, product, floats + at);
      } else if (through_floats()) {
        simd::code_kernels().sums_to_floats(from, window, window_stride, stretch.count, channels, product, floats + at);
      } else {
        simd::code_kernels().sums_to_codes(from, window, window_stride, stretch.count, channels, product, *spec_.grid, codes + at);
      }
      if (!through_floats() && has_table_) simd::code_kernels().lookup(codes + at, codes + at, stretch.count * channels, table_.data());
    });
    if (through_floats()) {
      if (spec_.activation.kind == Kind::kSilu) simd::kernels().silu(floats, nullptr, floats, pixels * channels);
      if (!spec_.grid) return store_floats(band, n, floats, static_cast<float*>(args.out[0]));
      simd::code_kernels().encode(floats, codes, pixels * channels, *spec_.grid);
      if (has_table_) simd::code_kernels().lookup(codes, codes, pixels * channels, table_.data());
    }
  }

  void scale_in_double(const int32_t* sums, const int32_t* windows, int64_t pixels, const simd::ProductChannels& product, float* y) const {
    const int64_t channels = spec_.shape.out_channels;
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t i = p * channels + c;
        int64_t sum = int64_t{sums[i]} + product.correction[c];
        if (product.weight_shift != nullptr) sum += int64_t{product.weight_shift[c]} * windows[window_conv_ ? i : p];
        const auto k = static_cast<size_t>(c);
        const float value = static_cast<float>(static_cast<double>(sum) * static_cast<double>(spec_.scale[k])) + spec_.bias[k];
        y[i] = std::min(std::max(value, clip_lo_), clip_hi_);
      }
    }
  }

  void store_floats(const Band& band, int64_t n, const float* values, float* y) const {
    const ConvShape& s = spec_.shape;
    const int64_t block = spec_.float_layout.block, channels = s.out_channels, blocks = (channels + block - 1) / block;
    const int64_t spatial = s.out_rows() * s.out_columns(), first = band.row * s.out_columns();
    const int64_t pixels = band.rows * s.out_columns();
    if (spec_.float_layout.plain()) {  // a matrix, whose rows are the pixels
      std::copy_n(values, pixels * channels, y + (n * spatial + first) * channels);
      return;
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t lanes = std::min(block, channels - b * block);
      float* target = y + ((n * blocks + b) * spatial + first) * block;
      const float* source = values + b * block;
      for (int64_t p = 0; p < pixels; ++p, target += block, source += channels) {
        std::copy_n(source, lanes, target);
        std::fill(target + lanes, target + block, 0.0f);
      }
    }
  }

  CodeProductSpec spec_;
  CodeConv conv_;
  std::optional<CodeConv> window_conv_;
  std::vector<int32_t> weight_shift_;
  AxisPatterns rows_, columns_;
  std::vector<int32_t> corrections_;  // [row patterns][column patterns][period]
  int64_t period_ = 0;
  CodeTable table_{};
  bool has_table_ = false;
  float clip_lo_ = 0.0f, clip_hi_ = 0.0f;
  size_t sums_at_ = 0, windows_at_ = 0, pixels_at_ = 0, floats_at_ = 0, scratch_bytes_ = 0;
};

}  // namespace

std::optional<CodeProduct> make_code_product(const CodeProductSpec& spec) {
  SplitWeights weights = split(spec);
  if (weights.bytes.empty() || weights.largest_sum >= 2147483647.0) return std::nullopt;
  std::optional<CodeConv> window_conv;
  if (!weights.shift.empty() && spec.shape.groups > 1) {
    if (!spec.shape.depthwise()) return std::nullopt;
    window_conv = CodeConv::make(spec.shape, std::vector<int8_t>(weights.bytes.size(), 1));
    if (!window_conv) return std::nullopt;
  }
  auto conv = CodeConv::make(spec.shape, weights.bytes);
  if (!conv) return std::nullopt;
  auto kernel = std::make_unique<ProductKernel>(spec, std::move(*conv), std::move(window_conv), std::move(weights));
  const size_t bytes = kernel->scratch_bytes();
  return CodeProduct{std::move(kernel), bytes};
}

}  // namespace qtool::exec
