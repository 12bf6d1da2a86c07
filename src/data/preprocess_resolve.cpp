// Presets, the default rule, and the checks that make a request a Preprocessing.
#include <algorithm>
#include <cmath>

#include "preprocess_names.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

const std::vector<double> kImagenetMean{0.485, 0.456, 0.406};
const std::vector<double> kImagenetStd{0.229, 0.224, 0.225};
constexpr int kSmallSide = 64;       // CIFAR and the like: pictures come at network size
constexpr int kLetterboxSide = 256;  // squares from here on are mostly detectors
constexpr double kDeeplabPad = 127.5;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::kUsage, message); }

// ImageNet evaluation: resize to 256/224 of the crop.
Preprocessing imagenet_style(const InputGeometry& input) {
  Preprocessing result;
  const int side = std::max(input.size.width, input.size.height);
  result.resize = {ResizeKind::kShort, static_cast<int>(std::nearbyint(side * 256.0 / 224.0))};
  result.mean = kImagenetMean;
  result.std = kImagenetStd;
  return result;
}

Preprocessing stretch_style() {
  Preprocessing result;
  result.resize = {ResizeKind::kStretch};
  return result;
}

Preprocessing yolo_style() {
  Preprocessing result;
  result.resize = {ResizeKind::kLetterbox};
  return result;
}

Preprocessing long_style() {
  Preprocessing result;
  result.resize = {ResizeKind::kLong};
  result.pad = kDeeplabPad;
  result.pad_at = PadAt::kTopLeft;
  return result;
}

Preprocessing preset_style(const std::string& preset, const InputGeometry& input) {
  if (input.channels != 3)
    refuse(format("preset '{}' needs an input of 3 channels, this one has 1", preset));
  if (preset == "yolo") return yolo_style();
  Preprocessing result;
  if (preset == "yolox") {
    result = yolo_style();
    result.color = ColorOrder::kBgr;
    result.scale = 1.0;
    result.pad_at = PadAt::kTopLeft;
    result.size_rounding = SizeRounding::kFloor;
    return result;
  }
  result = imagenet_style(input);
  if (preset == "imagenet-half") result.mean = result.std = {0.5, 0.5, 0.5};
  return result;
}

Preprocessing style_for_shape(const InputGeometry& input) {
  const auto [width, height] = input.size;
  if (input.channels == 1) return stretch_style();
  if (std::max(width, height) <= kSmallSide) {
    Preprocessing result = stretch_style();
    result.mean = kImagenetMean;
    result.std = kImagenetStd;
    return result;
  }
  return width == height && width >= kLetterboxSide ? yolo_style() : imagenet_style(input);
}

// What the unsaid fields become.
Preprocessing base_style(const PreprocessingRequest& request, const InputGeometry& input) {
  Preprocessing base;
  if (request.preset) {
    base = preset_style(parse_preset(*request.preset), input);
  } else if (request.resize && request.resize->kind == ResizeKind::kLetterbox) {
    base = yolo_style();
  } else if (request.resize && request.resize->kind == ResizeKind::kLong) {
    base = long_style();
  } else if (request.resize && request.resize->kind == ResizeKind::kShort) {
    base = imagenet_style(input);
  } else {
    base = style_for_shape(input);
  }
  if (input.channels == 1) {
    base.color = ColorOrder::kGray;
    base.mean.clear();
    base.std.clear();
  }
  return base;
}

std::vector<double> spread(const std::vector<double>& values, int channels,
                           std::string_view option) {
  const auto wanted = static_cast<size_t>(channels);
  if (values.empty() || values.size() == wanted) return values;
  if (values.size() == 1) return std::vector<double>(wanted, values[0]);
  refuse(format("{} has {} numbers, the model's input has {} channel{}", option, values.size(),
                channels, channels == 1 ? "" : "s"));
}

void set_normalisation(const PreprocessingRequest& request, int channels, Preprocessing& result) {
  if (request.scale || request.mean || request.std) {
    result.scale = request.scale.value_or(1.0 / 255.0);
    result.mean = request.mean.value_or(std::vector<double>{});
    result.std = request.std.value_or(std::vector<double>{});
  }
  result.mean = spread(result.mean, channels, "mean");
  result.std = spread(result.std, channels, "std");
  const auto finite = [](double value) { return std::isfinite(value); };
  if (result.scale == 0.0 || !std::isfinite(result.scale))
    refuse("scale must be a finite number other than 0");
  if (!std::all_of(result.mean.begin(), result.mean.end(), finite)) refuse("mean must be finite");
  if (!std::all_of(result.std.begin(), result.std.end(),
                   [](double v) { return std::isfinite(v) && v > 0.0; })) {
    refuse("std must be finite and above 0");
  }
  const auto above_one =
      std::find_if(result.mean.begin(), result.mean.end(), [](double v) { return v > 1.0; });
  if (!request.scale && above_one != result.mean.end()) {
    refuse(
        format("mean {} is outside of the pixel range 0..1 after x/255; give scale 1 when mean and "
               "std count "
               "levels 0..255, or scale 1/255 to keep it",
               *above_one));
  }
}

void check_color(ColorOrder color, int channels) {
  if ((color == ColorOrder::kGray) == (channels == 1)) return;
  refuse(format("color {} does not fit the model's input of {} channel{}",
                word_of(kColorWords, color), channels,
                channels == 1 ? " (allowed: GRAY)" : "s (allowed: RGB, BGR)"));
}

void set_crop(const PreprocessingRequest& request, const Size& input, Preprocessing& result) {
  const bool is_short = result.resize.kind == ResizeKind::kShort;
  if (is_short) result.crop = input;
  if (!request.crop) return;
  result.crop = *request.crop == Size{} ? std::nullopt : request.crop;
  if (!result.crop) return;
  if (!is_short && result.resize.kind != ResizeKind::kNone) {
    refuse(format("crop cannot follow resize {}; it goes with short:N or none",
                  resize_text(result.resize)));
  }
  if (*result.crop != input) {
    refuse(format("crop {}x{} is not the model's input size {}x{}", result.crop->width,
                  result.crop->height, input.width, input.height));
  }
}

void check_resize_side(const Preprocessing& result, const Size& input) {
  const int side = result.resize.side;
  if (result.resize.kind == ResizeKind::kShort && side < std::max(input.width, input.height) &&
      result.crop) {
    refuse(
        format("resize short:{} is smaller than the crop {}x{}", side, input.width, input.height));
  }
  if (result.resize.kind == ResizeKind::kLong && side > std::min(input.width, input.height)) {
    refuse(format("resize long:{} does not fit the model's input {}x{}", side, input.width,
                  input.height));
  }
}

Resampler usual_resampler(const Preprocessing& result) {
  const bool pillow =
      result.resize.kind == ResizeKind::kShort || result.interpolation == Interpolation::kBicubic;
  return pillow ? Resampler::kPillow : Resampler::kOpencv;
}

template <class T>
void replace(std::optional<T>& weaker, const std::optional<T>& stronger) {
  if (stronger) weaker = stronger;
}

}  // namespace

void PreprocessingRequest::merge(const PreprocessingRequest& stronger) {
  replace(preset, stronger.preset);
  replace(resize, stronger.resize);
  replace(interpolation, stronger.interpolation);
  replace(resampler, stronger.resampler);
  replace(crop, stronger.crop);
  replace(color, stronger.color);
  replace(scale, stronger.scale);
  replace(mean, stronger.mean);
  replace(std, stronger.std);
  replace(pad, stronger.pad);
  replace(pad_at, stronger.pad_at);
  replace(size_rounding, stronger.size_rounding);
  replace(layout, stronger.layout);
  replace(input_size, stronger.input_size);
}

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names{"imagenet", "imagenet-half", "yolo", "yolox"};
  return names;
}

Preprocessing resolve_preprocessing(const PreprocessingRequest& request, const Shape& input_shape) {
  const Layout layout = request.layout.value_or(guess_layout(input_shape));
  const InputGeometry input = input_geometry(input_shape, layout);
  if (request.input_size && *request.input_size != input.size) {
    refuse(format("input_size {}x{} is not the model's {}x{}", request.input_size->width,
                  request.input_size->height, input.size.width, input.size.height));
  }
  Preprocessing result = base_style(request, input);
  result.layout = layout;
  result.resize = request.resize.value_or(result.resize);
  result.interpolation = request.interpolation.value_or(result.interpolation);
  result.resampler = request.resampler.value_or(usual_resampler(result));
  if (result.resampler == Resampler::kOpencv && result.interpolation == Interpolation::kBicubic) {
    refuse("interp bicubic is available with resampler pillow only");
  }
  result.color = request.color.value_or(result.color);
  check_color(result.color, input.channels);
  set_normalisation(request, input.channels, result);
  result.pad = request.pad.value_or(result.pad);
  result.pad_at = request.pad_at.value_or(result.pad_at);
  result.size_rounding = request.size_rounding.value_or(result.size_rounding);
  set_crop(request, input.size, result);
  check_resize_side(result, input.size);
  return result;
}

}  // namespace qtool::data
