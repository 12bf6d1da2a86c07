#include <algorithm>
#include <array>
#include <cmath>

#include "qtool/data/picture_cache.h"
#include "qtool/data/preprocess.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

// The picture at its new size, and where its top left corner lands on the input (negative: cut
// off).
struct Placement {
  Size resized;
  int left = 0, top = 0;
  double ratio_x = 1.0, ratio_y = 1.0;
};

int scaled_side(int side, double ratio, SizeRounding rounding) {
  const double exact = side * ratio;
  // A very flat picture would vanish; it keeps one row.
  return std::max(
      rounding == SizeRounding::kFloor ? static_cast<int>(exact) : round_half_even(exact), 1);
}

Placement place_shrunk(const Size& original, double ratio, const Preprocessing& p,
                       const Size& input) {
  Placement at;
  at.ratio_x = at.ratio_y = ratio;
  at.resized = {scaled_side(original.width, ratio, p.size_rounding),
                scaled_side(original.height, ratio, p.size_rounding)};
  if (p.pad_at == PadAt::kCenter) {
    // 0.1 sends an odd pixel to the right and bottom (ultralytics).
    at.left = round_half_even((input.width - at.resized.width) / 2.0 - 0.1);
    at.top = round_half_even((input.height - at.resized.height) / 2.0 - 0.1);
  }
  return at;
}

// torchvision: the shorter side becomes N exactly, the other one int(N * long / short).
Size short_side_size(const Size& original, int side) {
  const auto longer = [&](int64_t long_side, int64_t short_side) {
    return static_cast<int>(side * long_side / short_side);
  };
  return original.width <= original.height ? Size{side, longer(original.height, original.width)}
                                           : Size{longer(original.width, original.height), side};
}

Placement place_whole(const Size& original, const Preprocessing& p, const Size& input) {
  Placement at;
  at.resized = original;
  if (p.resize.kind == ResizeKind::kStretch) at.resized = input;
  if (p.resize.kind == ResizeKind::kShort) at.resized = short_side_size(original, p.resize.side);
  at.ratio_x = static_cast<double>(at.resized.width) / original.width;
  at.ratio_y = static_cast<double>(at.resized.height) / original.height;
  if (p.crop) {
    at.left = -round_half_even((at.resized.width - p.crop->width) / 2.0);
    at.top = -round_half_even((at.resized.height - p.crop->height) / 2.0);
  }
  return at;
}

void check_placement(const Placement& at, const Preprocessing& p, const Size& original,
                     const Size& input) {
  const auto [width, height] = at.resized;
  const bool padded = p.resize.kind == ResizeKind::kLetterbox || p.resize.kind == ResizeKind::kLong;
  const bool fits = padded   ? width <= input.width && height <= input.height
                    : p.crop ? width >= input.width && height >= input.height
                             : at.resized == input;
  if (fits) return;
  throw Error(ErrorCode::kInvalidData,
              format("an image of {}x{} (after resizing {}x{}) does not give the model's input of "
                     "{}x{}; try resize "
                     "stretch, letterbox or short:N",
                     original.width, original.height, width, height, input.width, input.height));
}

Placement place(const Size& original, const Preprocessing& p, const Size& input) {
  if (original.width <= 0 || original.height <= 0)
    throw Error(ErrorCode::kInvalidData, "the image is empty");
  const double fit = std::min(static_cast<double>(input.height) / original.height,
                              static_cast<double>(input.width) / original.width);
  Placement at;
  if (p.resize.kind == ResizeKind::kLetterbox) {
    at = place_shrunk(original, fit, p, input);
  } else if (p.resize.kind == ResizeKind::kLong) {
    at = place_shrunk(
        original, static_cast<double>(p.resize.side) / std::max(original.width, original.height), p,
        input);
  } else {
    at = place_whole(original, p, input);
  }
  check_placement(at, p, original, input);
  return at;
}

Image resize(const Image& image, const Size& size, const Preprocessing& p) {
  return p.resampler == Resampler::kPillow
             ? resize_pillow(image, size.width, size.height, p.interpolation)
             : resize_opencv(image, size.width, size.height, p.interpolation);
}

// Normalised value of every level, and of the padding. All arithmetic in float32, as numpy does it.
struct ChannelTable {
  std::array<float, 256> of_level;
  float of_pad;
};

ChannelTable make_table(const Preprocessing& p, size_t channel) {
  const auto scale = static_cast<float>(p.scale);
  const auto mean = p.mean.empty() ? 0.0f : static_cast<float>(p.mean[channel]);
  const auto std = p.std.empty() ? 1.0f : static_cast<float>(p.std[channel]);
  const auto normalise = [&](float level) { return (level * scale - mean) / std; };
  ChannelTable table;
  for (size_t level = 0; level < 256; ++level)
    table.of_level[level] = normalise(static_cast<float>(level));
  table.of_pad = normalise(static_cast<float>(p.pad));
  return table;
}

// Writes one channel of the input, `step` floats from pixel to pixel.
void write_channel(const Image& image, const Placement& at, size_t source_channel,
                   const ChannelTable& table, const Size& input, float* target, size_t step) {
  const int left = std::max(at.left, 0), right = std::min(at.left + image.width, input.width);
  const auto pixel_step = static_cast<size_t>(image.channels);
  for (int y = 0; y < input.height; ++y) {
    const int source_y = y - at.top;
    const bool inside = source_y >= 0 && source_y < image.height;
    int x = 0;
    if (inside) {
      for (; x < left; ++x, target += step) *target = table.of_pad;
      const uint8_t* source =
          image.row(source_y) + static_cast<size_t>(x - at.left) * pixel_step + source_channel;
      for (; x < right; ++x, target += step, source += pixel_step)
        *target = table.of_level[*source];
    }
    for (; x < input.width; ++x, target += step) *target = table.of_pad;
  }
}

Tensor to_tensor(const Image& image, const Placement& at, const Preprocessing& p,
                 const InputGeometry& input) {
  const auto [width, height] = input.size;
  const int64_t channels = input.channels;
  const bool planar = p.layout == Layout::kNchw;
  Tensor result(DType::kFloat32,
                planar ? Shape{1, channels, height, width} : Shape{1, height, width, channels});
  float* target = result.mutable_data<float>().data();
  const auto count = static_cast<size_t>(channels);
  const size_t plane = static_cast<size_t>(width) * static_cast<size_t>(height);
  for (size_t c = 0; c < count; ++c) {
    const size_t source = p.color == ColorOrder::kBgr ? count - 1 - c : c;
    write_channel(image, at, source, make_table(p, c), input.size,
                  target + c * (planar ? plane : 1), planar ? 1 : count);
  }
  return result;
}

}  // namespace

Layout guess_layout(const Shape& input_shape) {
  const auto is_color = [&](size_t i) {
    return input_shape.rank() == 4 && (input_shape[i] == 1 || input_shape[i] == 3);
  };
  return is_color(3) && !is_color(1) ? Layout::kNhwc : Layout::kNchw;
}

InputGeometry input_geometry(const Shape& input_shape, Layout layout) {
  const bool planar = layout == Layout::kNchw;
  const auto dimension = [&](size_t i) { return input_shape.rank() == 4 ? input_shape[i] : -1; };
  const int64_t channels = dimension(planar ? 1 : 3), height = dimension(planar ? 2 : 1),
                width = dimension(planar ? 3 : 2);
  constexpr int64_t kMostSide = 1 << 16;
  if ((channels != 1 && channels != 3) || height < 1 || width < 1 || height > kMostSide ||
      width > kMostSide) {
    throw Error(ErrorCode::kUnsupported,
                format("images cannot feed an input of shape {} ({}); expected a batch of pictures "
                       "with 1 or 3 channels. "
                       "Give .npy, .npz or .raw files instead",
                       input_shape.text(), planar ? "NCHW" : "NHWC"));
  }
  return {static_cast<int>(channels), {static_cast<int>(width), static_cast<int>(height)}};
}

LetterboxGeometry letterbox_geometry(Size original, const Preprocessing& preprocessing,
                                     const Shape& input_shape) {
  const Size input = input_geometry(input_shape, preprocessing.layout).size;
  const Placement at = place(original, preprocessing, input);
  return {at.ratio_x, at.ratio_y, static_cast<double>(at.left), static_cast<double>(at.top),
          at.resized, original};
}

FittedImage fit(Image image, const Preprocessing& preprocessing, const Shape& input_shape) {
  const InputGeometry input = input_geometry(input_shape, preprocessing.layout);
  if (image.channels < input.channels) {
    throw Error(ErrorCode::kInvalidData, "a grey picture cannot feed an input of 3 channels");
  }
  const Size original{image.width, image.height};
  const Placement at = place(original, preprocessing, input.size);
  if (input.channels == 1 && image.channels != 1) image = to_luma(image);  // before resizing: a third of the work
  if (at.resized != original) image = resize(image, at.resized, preprocessing);
  return {std::move(image), original};
}

Tensor normalize(const FittedImage& fitted, const Preprocessing& preprocessing, const Shape& input_shape) {
  const InputGeometry input = input_geometry(input_shape, preprocessing.layout);
  return to_tensor(fitted.image, place(fitted.original, preprocessing, input.size), preprocessing, input);
}

Tensor apply(const Image& image, const Preprocessing& preprocessing, const Shape& input_shape) {
  return normalize(fit(image, preprocessing, input_shape), preprocessing, input_shape);
}

}  // namespace qtool::data
