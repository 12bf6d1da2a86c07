#include "qtool/data/synthetic_images.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "qtool/support/error.h"
#include "qtool/support/parallel.h"

namespace qtool::data {

namespace {

constexpr int kMostLeaves = 3000;
constexpr double kCovered = 0.999;  // of the picture, by leaves
constexpr int kLeastSide = 288;     // pixels of a canvas; small inputs are shrunk from it, as photographs are
constexpr int kMostSide = 640;
constexpr double kMargin = 9.0 / 7.0;  // of the canvas over the input: room for a crop

// The standard library's distributions differ between implementations.
class Random {
 public:
  explicit Random(int64_t seed) : generator_(static_cast<uint64_t>(seed) * 0x9E3779B97F4A7C15u + 1) {}
  double uniform() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }
  double normal() {
    const double u = uniform() + 0x1p-54, v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }

 private:
  std::mt19937_64 generator_;
};

// One plane of a picture, row by row.
struct Plane {
  int width, height;
  std::vector<float> values;

  Plane(int w, int h) : width(w), height(h), values(static_cast<size_t>(w) * h) {}
  float& at(int x, int y) { return values[static_cast<size_t>(y) * width + x]; }
  [[nodiscard]] float at(int x, int y) const { return values[static_cast<size_t>(y) * width + x]; }
};

// Random values on a grid of `cells` x `cells`, interpolated.
void add_octave(Plane& plane, int cells, double amplitude, Random& random) {
  std::vector<double> grid(static_cast<size_t>(cells + 1) * (cells + 1));
  for (double& value : grid) value = random.normal();
  for (int y = 0; y < plane.height; ++y) {
    const double gy = static_cast<double>(y) * cells / plane.height;
    const int row = static_cast<int>(gy);
    for (int x = 0; x < plane.width; ++x) {
      const double gx = static_cast<double>(x) * cells / plane.width;
      const int column = static_cast<int>(gx);
      const double* corner = grid.data() + static_cast<size_t>(row) * (cells + 1) + column;
      const double u = gx - column, v = gy - row;
      const double value = (1 - v) * ((1 - u) * corner[0] + u * corner[1]) + v * ((1 - u) * corner[cells + 1] + u * corner[cells + 2]);
      plane.at(x, y) += static_cast<float>(amplitude * value);
    }
  }
}

// Mean 0, deviation 1, amplitude spectrum about frequency^-steepness.
Plane fractal_noise(int width, int height, double steepness, Random& random) {
  Plane plane(width, height);
  for (int cells = 2; cells <= std::min(width, height); cells *= 2) add_octave(plane, cells, std::pow(cells, 1.0 - steepness), random);
  double sum = 0.0, squares = 0.0;
  for (const float value : plane.values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto count = static_cast<double>(plane.values.size());
  const double mean = sum / count, deviation = std::sqrt(std::max(1e-12, squares / count - mean * mean));
  for (float& value : plane.values) value = static_cast<float>((value - mean) / deviation);
  return plane;
}

// Levels 0..1 of three colours.
using Canvas = std::array<Plane, 3>;
Canvas blank_canvas(int width, int height) { return {Plane(width, height), Plane(width, height), Plane(width, height)}; }

struct Style {
  double grey, spread, tint;    // a leaf's levels: grey + spread * common + tint * own, each from a draw
  bool muted;
  double least, largest;        // radius, pixels
};

Style style_of(bool muted, int side, Random& random) {
  if (muted) return {0.45, 0.25, 0.12, true, 3.0, 0.5 * side};
  return {0.0, 0.6, 0.4, false, 2.5 * (1.0 + 2.0 * random.uniform()), side * (0.2 + 0.5 * random.uniform())};
}

// A disc or a box, and what it is covered with.
class Leaf {
 public:
  Leaf(int width, int height, const Style& style, const std::vector<Plane>& noises, Random& random) : noises_(noises) {
    const double u = random.uniform();
    radius_ = 1.0 / std::sqrt(u / (style.largest * style.largest) + (1.0 - u) / (style.least * style.least));  // density radius^-3
    x_ = (1.2 * random.uniform() - 0.1) * width;
    y_ = (1.2 * random.uniform() - 0.1) * height;
    const double angle = std::numbers::pi * random.uniform();
    cosine_ = std::cos(angle);
    sine_ = std::sin(angle);
    narrow_ = style.muted ? 0.4 + 0.6 * random.uniform() : 0.25 + 0.75 * random.uniform();
    disc_ = random.uniform() < 0.6;
    colour(style, random);
    cover(style, random);
  }

  // Paints what no earlier leaf hides; returns the number of pixels.
  int64_t paint(Canvas& canvas, std::vector<bool>& hidden) const {
    const int width = canvas[0].width, height = canvas[0].height;
    const double reach = 1.5 * radius_;
    const int left = std::max(0, static_cast<int>(x_ - reach)), right = std::min(width, static_cast<int>(x_ + reach) + 1);
    const int top = std::max(0, static_cast<int>(y_ - reach)), bottom = std::min(height, static_cast<int>(y_ + reach) + 1);
    int64_t painted = 0;
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        const size_t at = static_cast<size_t>(y) * width + x;
        const double dx = x - x_, dy = y - y_;
        if (hidden[at] || !covers(dx, dy)) continue;
        hidden[at] = true;
        ++painted;
        const double texture = texture_at(x, y, dx, dy);
        for (size_t c = 0; c < 3; ++c) canvas[c].values[at] = static_cast<float>(level_[c] + texture * weight_[c]);
      }
    }
    return painted;
  }

 private:
  void colour(const Style& style, Random& random) {
    const double common = style.muted ? random.normal() : random.uniform();
    for (size_t c = 0; c < 3; ++c) {
      const double own = style.muted ? random.normal() : random.uniform();
      level_[c] = std::clamp(style.grey + style.spread * common + style.tint * own, 0.0, 1.0);
    }
    for (double& weight : weight_) weight = style.muted ? 1.0 : 0.6 + 0.8 * random.uniform();
  }

  void cover(const Style& style, Random& random) {
    const double slope = (style.muted ? 0.15 : 0.3) / std::max(radius_, 8.0);
    slope_x_ = slope * random.normal();
    slope_y_ = slope * random.normal();
    if (style.muted) return;
    const double kind = random.uniform();
    if (kind < 0.35) {
      noise_ = &noises_[static_cast<size_t>(random.uniform() * static_cast<double>(noises_.size()))];
      amplitude_ = 0.2 * random.uniform();
    } else if (kind < 0.6) {
      const double wave = 2.0 * std::numbers::pi / (3.0 + 0.5 * radius_ * random.uniform()), angle = std::numbers::pi * random.uniform();
      wave_x_ = wave * std::cos(angle);
      wave_y_ = wave * std::sin(angle);
      sharp_ = random.uniform() < 0.5;
      amplitude_ = 0.25 * random.uniform();
      striped_ = true;
    }
  }

  [[nodiscard]] bool covers(double dx, double dy) const {
    const double p = (dx * cosine_ + dy * sine_) / radius_, q = (dy * cosine_ - dx * sine_) / (radius_ * narrow_);
    return disc_ ? p * p + q * q < 1.0 : std::abs(p) < 1.0 && std::abs(q) < 1.0;
  }

  [[nodiscard]] double texture_at(int x, int y, double dx, double dy) const {
    double value = slope_x_ * dx + slope_y_ * dy;
    if (noise_ != nullptr) value += amplitude_ * noise_->at(x, y);
    if (striped_) {
      const double wave = std::sin(wave_x_ * dx + wave_y_ * dy);
      value += amplitude_ * (sharp_ ? (wave > 0.0 ? 1.0 : -1.0) : wave);
    }
    return value;
  }

  const std::vector<Plane>& noises_;
  double radius_ = 1.0, x_ = 0.0, y_ = 0.0, cosine_ = 1.0, sine_ = 0.0, narrow_ = 1.0;
  bool disc_ = true;
  std::array<double, 3> level_{}, weight_{};
  double slope_x_ = 0.0, slope_y_ = 0.0, wave_x_ = 0.0, wave_y_ = 0.0, amplitude_ = 0.0;
  const Plane* noise_ = nullptr;
  bool striped_ = false, sharp_ = false;
};

Canvas leaves(int width, int height, bool muted, Random& random) {
  Canvas canvas = blank_canvas(width, height);
  const Style style = style_of(muted, std::max(width, height), random);
  std::vector<Plane> noises;
  for (const double steepness : {0.5, 1.0, 1.5}) noises.push_back(fractal_noise(width, height, steepness, random));
  std::vector<bool> hidden(static_cast<size_t>(width) * height);
  const auto pixels = static_cast<int64_t>(hidden.size());
  int64_t painted = 0;
  for (int i = 0; i < kMostLeaves && static_cast<double>(painted) < kCovered * static_cast<double>(pixels); ++i) {
    painted += Leaf(width, height, style, noises, random).paint(canvas, hidden);
  }
  const Plane grain = fractal_noise(width, height, muted ? 0.8 : 0.6, random);
  const auto strength = static_cast<float>((muted ? 0.12 : 0.04) * random.uniform());
  for (Plane& plane : canvas) {
    for (size_t i = 0; i < plane.values.size(); ++i) plane.values[i] += strength * grain.values[i];
  }
  return canvas;
}

Canvas noise_picture(int width, int height, Random& random) {
  Canvas canvas = blank_canvas(width, height);
  const Plane common = fractal_noise(width, height, 1.0, random);
  for (Plane& plane : canvas) {
    const Plane own = fractal_noise(width, height, 1.0, random);
    for (size_t i = 0; i < plane.values.size(); ++i) plane.values[i] = 0.45f + 0.25f * (0.8f * common.values[i] + 0.3f * own.values[i]);
  }
  return canvas;
}

Image to_image(const Canvas& canvas) {
  Image image = blank_image(canvas[0].width, canvas[0].height, 3);
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = 0; i < canvas[c].values.size(); ++i) {
      image.pixels[3 * i + c] = static_cast<uint8_t>(std::clamp(canvas[c].values[i], 0.0f, 1.0f) * 255.0f);
    }
  }
  return image;
}

// A canvas in the proportions of the input.
Size canvas_of(Size input) {
  const double longer = std::max(input.width, input.height);
  const double side = std::clamp(kMargin * longer, static_cast<double>(kLeastSide), std::max<double>(kMostSide, longer));
  const auto scaled = [&](int extent) { return std::max(1, static_cast<int>(std::lround(side * extent / longer))); };
  return {scaled(input.width), scaled(input.height)};
}

class SyntheticImages final : public SampleSource {
 public:
  SyntheticImages(const InputSpec& input, const Preprocessing& preprocessing, int64_t count, int threads)
      : input_(input), preprocessing_(preprocessing), images_(static_cast<size_t>(count)) {
    const Size size = input_geometry(input.type.shape, preprocessing.layout).size, canvas = canvas_of(size);
    const bool exact = preprocessing.resize.kind == ResizeKind::kNone;
    parallel_for(count, threads, [&](int64_t i, int) {
      Image image = synthetic_image(i, canvas.width, canvas.height);
      images_[static_cast<size_t>(i)] = exact ? resize_pillow(image, size.width, size.height, Interpolation::kBilinear) : std::move(image);
    });
  }

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  [[nodiscard]] std::string name(int64_t index) const override { return "synthetic picture " + std::to_string(index); }
  [[nodiscard]] Sample load(int64_t index) const override {
    QTOOL_CHECK(index >= 0 && index < size());
    return {{input_.name, apply(images_[static_cast<size_t>(index)], preprocessing_, input_.type.shape)}};
  }

 private:
  InputSpec input_;
  Preprocessing preprocessing_;
  std::vector<Image> images_;
};

}  // namespace

Image synthetic_image(int64_t index, int width, int height) {
  constexpr int64_t kPeriod = 8;
  Random random(index);
  const int64_t kind = index % kPeriod;
  return to_image(kind == kPeriod - 1 ? noise_picture(width, height, random) : leaves(width, height, kind == kPeriod / 2 - 1, random));
}

std::unique_ptr<SampleSource> synthetic_image_source(const InputSpec& input, const Preprocessing& preprocessing, int64_t count, int threads) {
  return std::make_unique<SyntheticImages>(input, preprocessing, count, threads);
}

}  // namespace qtool::data
