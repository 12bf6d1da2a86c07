// OpenCV's cv::resize for 8-bit images (imgproc/src/resize.cpp): INTER_LINEAR in fixed point and
// INTER_NEAREST.
#include <algorithm>
#include <cmath>
#include <vector>

#include "qtool/data/resize.h"
#include "qtool/support/error.h"
#include "resize_size.h"

namespace qtool::data {

namespace {

constexpr int kCoefficientBits = 11;
constexpr int kOne = 1 << kCoefficientBits;

// Target pixel i is (source[near[i]] * weight_near[i] + source[far[i]] * weight_far[i]) / 2048.
struct LinearTaps {
  std::vector<int> near, far;
  std::vector<int32_t> weight_near, weight_far;
};

int32_t to_fixed(float weight) { return static_cast<int32_t>(std::nearbyint(weight * kOne)); }

enum class Edge { kDropOutside, kRepeatOutside };

// OpenCV drops the outside tap in x but repeats the edge row in y; with rounded weights that is not
// the same.
LinearTaps make_taps(int source_size, int target_size, Edge edge) {
  // The inverse of the rounded ratio, not the ratio: OpenCV computes it in these two steps.
  const double scale = 1.0 / (static_cast<double>(target_size) / source_size);
  LinearTaps taps;
  for (int i = 0; i < target_size; ++i) {
    float fraction = static_cast<float>((i + 0.5) * scale - 0.5);
    int at = static_cast<int>(std::floor(fraction));
    fraction -= static_cast<float>(at);
    if (edge == Edge::kDropOutside && (at < 0 || at >= source_size - 1)) {
      at = std::clamp(at, 0, source_size - 1);
      fraction = 0.0f;
    }
    taps.near.push_back(std::clamp(at, 0, source_size - 1));
    taps.far.push_back(std::clamp(at + 1, 0, source_size - 1));
    taps.weight_near.push_back(to_fixed(1.0f - fraction));
    taps.weight_far.push_back(to_fixed(fraction));
  }
  return taps;
}

// One source row at target width, 11 fractional bits.
template <int kChannels>
void resize_row(const uint8_t* source, const LinearTaps& taps, int32_t* target) {
  const size_t width = taps.near.size();
  for (size_t x = 0; x < width; ++x, target += kChannels) {
    const uint8_t* near = source + static_cast<size_t>(taps.near[x]) * kChannels;
    const uint8_t* far = source + static_cast<size_t>(taps.far[x]) * kChannels;
    for (int c = 0; c < kChannels; ++c)
      target[c] = near[c] * taps.weight_near[x] + far[c] * taps.weight_far[x];
  }
}

// OpenCV keeps 16-bit intermediates here, so bits are cut in these places and no others.
void blend_rows(const std::vector<int32_t>& near, const std::vector<int32_t>& far,
                int32_t weight_near, int32_t weight_far, uint8_t* target) {
  for (size_t i = 0; i < near.size(); ++i) {
    const int32_t sum =
        ((weight_near * (near[i] >> 4)) >> 16) + ((weight_far * (far[i] >> 4)) >> 16);
    target[i] = static_cast<uint8_t>((sum + 2) >> 2);
  }
}

// Two source rows at target width; going down the image, most rows are computed once.
class RowCache {
 public:
  RowCache(const Image& image, const LinearTaps& taps)
      : image_(image), taps_(taps), row_(image.channels == 1 ? resize_row<1> : resize_row<3>) {
    for (Entry& entry : entries_)
      entry.levels.resize(taps.near.size() * static_cast<size_t>(image.channels));
  }
  // Rows y are asked for in pairs (y, y + 1) or (y, y): parity keeps a pair in different entries.
  const std::vector<int32_t>& at(int y) {
    Entry& entry = entries_[y & 1];
    if (entry.y != y) {
      row_(image_.row(y), taps_, entry.levels.data());
      entry.y = y;
    }
    return entry.levels;
  }

 private:
  struct Entry {
    int y = -1;
    std::vector<int32_t> levels;
  };
  const Image& image_;
  const LinearTaps& taps_;
  void (*row_)(const uint8_t*, const LinearTaps&, int32_t*);
  Entry entries_[2];
};

Image resize_linear(const Image& image, int width, int height) {
  const LinearTaps across = make_taps(image.width, width, Edge::kDropOutside);
  const LinearTaps down = make_taps(image.height, height, Edge::kRepeatOutside);
  Image result = blank_image(width, height, image.channels);
  RowCache rows(image, across);
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<size_t>(y);
    const std::vector<int32_t>& near = rows.at(down.near[i]);
    const std::vector<int32_t>& far = rows.at(down.far[i]);
    blend_rows(near, far, down.weight_near[i], down.weight_far[i], result.row(y));
  }
  return result;
}

// cv::resize silently takes INTER_AREA for INTER_LINEAR when both sides shrink by exactly two.
Image halve(const Image& image) {
  Image result = blank_image(image.width / 2, image.height / 2, image.channels);
  const auto channels = static_cast<size_t>(image.channels);
  for (int y = 0; y < result.height; ++y) {
    const uint8_t* above = image.row(2 * y);
    const uint8_t* below = image.row(2 * y + 1);
    uint8_t* target = result.row(y);
    for (size_t x = 0; x < static_cast<size_t>(result.width); ++x) {
      for (size_t c = 0; c < channels; ++c) {
        const size_t left = 2 * x * channels + c, right = left + channels;
        *target++ = static_cast<uint8_t>(
            (above[left] + above[right] + below[left] + below[right] + 2) >> 2);
      }
    }
  }
  return result;
}

std::vector<int> nearest_taps(int source_size, int target_size) {
  const double scale = 1.0 / (static_cast<double>(target_size) / source_size);
  std::vector<int> taps;
  for (int i = 0; i < target_size; ++i) {
    taps.push_back(std::min(static_cast<int>(std::floor(i * scale)), source_size - 1));
  }
  return taps;
}

// The corner, not the centre, of a target pixel picks the source pixel: OpenCV's known half-pixel
// shift.
Image resize_nearest(const Image& image, int width, int height) {
  const std::vector<int> across = nearest_taps(image.width, width);
  const std::vector<int> down = nearest_taps(image.height, height);
  Image result = blank_image(width, height, image.channels);
  for (int y = 0; y < height; ++y) {
    const uint8_t* source = image.row(down[static_cast<size_t>(y)]);
    uint8_t* target = result.row(y);
    for (const int x : across) {
      target =
          std::copy_n(source + static_cast<size_t>(x) * image.channels, image.channels, target);
    }
  }
  return result;
}

}  // namespace

Image resize_opencv(const Image& image, int width, int height, Interpolation interpolation) {
  check_resize(image, width, height);
  if (interpolation == Interpolation::kBicubic) {
    throw Error(ErrorCode::kUnsupported,
                "bicubic resizing is implemented in Pillow's dialect only");
  }
  if (width == image.width && height == image.height) return image;
  if (interpolation == Interpolation::kNearest) return resize_nearest(image, width, height);
  if (image.width == 2 * width && image.height == 2 * height) return halve(image);
  return resize_linear(image, width, height);
}

}  // namespace qtool::data
