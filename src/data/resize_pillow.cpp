// Pillow's resampling (libImaging/Resample.c, 8 bit a channel). Coefficients are computed in
// double, normalised to sum 1, then rounded to 22 fractional bits; the horizontal pass is rounded
// to 8 bit before the vertical one.
#include <algorithm>
#include <cmath>
#include <vector>

#include "qtool/data/resize.h"
#include "resize_size.h"

namespace qtool::data {

namespace {

// 32 bit minus 8 bit of level minus 2 bit of headroom for the overshoot of bicubic.
constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

struct Filter {
  double support;  // source pixels each side at scale 1
  double (*weight)(double);
};

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution; Pillow takes a = -0.5 (OpenCV takes -0.75).
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// The taps of one axis: target pixel i sums source pixels first[i] .. first[i] + count[i] - 1.
struct AxisTaps {
  int stride = 0;  // coefficients kept a target pixel
  std::vector<int> first, count;
  std::vector<int32_t> weight;  // [target size, stride], 22 fractional bits
};

AxisTaps make_taps(int source_size, int target_size, const Filter& filter) {
  const double scale = static_cast<double>(source_size) / target_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter.support * filter_scale;
  AxisTaps taps;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.first.resize(static_cast<size_t>(target_size));
  taps.count.resize(static_cast<size_t>(target_size));
  taps.weight.resize(static_cast<size_t>(target_size) * static_cast<size_t>(taps.stride));
  std::vector<double> real(static_cast<size_t>(taps.stride));
  for (int i = 0; i < target_size; ++i) {
    const double center = (i + 0.5) * scale;
    const double step = 1.0 / filter_scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), source_size) - first;
    double sum = 0.0;
    for (int k = 0; k < count; ++k) {
      real[static_cast<size_t>(k)] = filter.weight((k + first - center + 0.5) * step);
      sum += real[static_cast<size_t>(k)];
    }
    int32_t* weight =
        taps.weight.data() + static_cast<size_t>(i) * static_cast<size_t>(taps.stride);
    for (int k = 0; k < count; ++k) {
      const double normalised =
          sum != 0.0 ? real[static_cast<size_t>(k)] * (1.0 / sum) : real[static_cast<size_t>(k)];
      weight[k] =
          static_cast<int32_t>((normalised < 0 ? -0.5 : 0.5) + normalised * (1 << kPrecisionBits));
    }
    taps.first[static_cast<size_t>(i)] = first;
    taps.count[static_cast<size_t>(i)] = count;
  }
  return taps;
}

uint8_t to_level(int32_t fixed) {
  return static_cast<uint8_t>(std::clamp(fixed >> kPrecisionBits, 0, 255));
}

template <int kChannels>
void resize_row(const uint8_t* source, const AxisTaps& taps, uint8_t* target) {
  const size_t target_size = taps.first.size();
  for (size_t x = 0; x < target_size; ++x, target += kChannels) {
    const int32_t* weight = taps.weight.data() + x * static_cast<size_t>(taps.stride);
    const uint8_t* pixel = source + static_cast<size_t>(taps.first[x]) * kChannels;
    int32_t sum[kChannels];
    std::fill_n(sum, kChannels, kHalf);
    for (int k = 0; k < taps.count[x]; ++k, pixel += kChannels) {
      for (int c = 0; c < kChannels; ++c) sum[c] += pixel[c] * weight[k];
    }
    for (int c = 0; c < kChannels; ++c) target[c] = to_level(sum[c]);
  }
}

Image resize_horizontally(const Image& image, int width, const Filter& filter) {
  const AxisTaps taps = make_taps(image.width, width, filter);
  Image result = blank_image(width, image.height, image.channels);
  const auto row = image.channels == 1 ? resize_row<1> : resize_row<3>;
  for (int y = 0; y < image.height; ++y) row(image.row(y), taps, result.row(y));
  return result;
}

Image resize_vertically(const Image& image, int height, const Filter& filter) {
  const AxisTaps taps = make_taps(image.height, height, filter);
  Image result = blank_image(image.width, height, image.channels);
  const size_t row_size = image.row_size_bytes();
  std::vector<int32_t> sum(row_size);
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<size_t>(y);
    std::fill(sum.begin(), sum.end(), kHalf);
    for (int k = 0; k < taps.count[i]; ++k) {
      const int32_t weight =
          taps.weight[i * static_cast<size_t>(taps.stride) + static_cast<size_t>(k)];
      const uint8_t* source = image.row(taps.first[i] + k);
      for (size_t x = 0; x < row_size; ++x) sum[x] += source[x] * weight;
    }
    uint8_t* target = result.row(y);
    for (size_t x = 0; x < row_size; ++x) target[x] = to_level(sum[x]);
  }
  return result;
}

Image resize_nearest(const Image& image, int width, int height) {
  const double step_x = static_cast<double>(image.width) / width;
  const double step_y = static_cast<double>(image.height) / height;
  Image result = blank_image(width, height, image.channels);
  // Pillow steps by repeated addition; its rounding is part of the result.
  double source_y = step_y * 0.5;
  for (int y = 0; y < height; ++y, source_y += step_y) {
    const uint8_t* source = image.row(std::min(static_cast<int>(source_y), image.height - 1));
    uint8_t* target = result.row(y);
    double source_x = step_x * 0.5;
    for (int x = 0; x < width; ++x, source_x += step_x, target += image.channels) {
      const int at = std::min(static_cast<int>(source_x), image.width - 1);
      std::copy_n(source + static_cast<size_t>(at) * image.channels, image.channels, target);
    }
  }
  return result;
}

}  // namespace

Image resize_pillow(const Image& image, int width, int height, Interpolation interpolation) {
  check_resize(image, width, height);
  if (width == image.width && height == image.height) return image;
  if (interpolation == Interpolation::kNearest) return resize_nearest(image, width, height);
  const Filter filter =
      interpolation == Interpolation::kBilinear ? Filter{1.0, triangle} : Filter{2.0, cubic};
  if (height == image.height) return resize_horizontally(image, width, filter);
  if (width == image.width) return resize_vertically(image, height, filter);
  return resize_vertically(resize_horizontally(image, width, filter), height, filter);
}

}  // namespace qtool::data
