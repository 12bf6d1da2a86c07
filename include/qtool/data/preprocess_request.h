// What a user said about preprocessing (flags, a JSON sidecar, a preset), and how it becomes a
// Preprocessing.
//
// Everything left unsaid comes from the preset, or without one from the model's input shape:
//   1 channel                  stretch, GRAY, x/255
//   both sides up to 64        stretch, RGB, x/255, ImageNet mean and std
//   square, 256 and more       letterbox (pad 114 centre), RGB, x/255
//   anything else              ImageNet: shorter side to 256/224 of the input, centre crop, RGB,
//   x/255, mean and std
// Naming a resize kind picks the defaults that usually go with it: letterbox and long take no mean
// and std; long pads 127.5 at the top left. Scale, mean and std stand together: once one of them is
// given, the others are 1/255, 0, 1.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/data/preprocess.h"

namespace qtool::data {

struct PreprocessingRequest {
  std::optional<std::string> preset;  // one of preset_names()
  std::optional<ResizeRule> resize;
  std::optional<Interpolation> interpolation;
  std::optional<Resampler> resampler;  // default: pillow for short and bicubic, else opencv
  std::optional<Size> crop;            // 0x0: no crop
  std::optional<ColorOrder> color;
  std::optional<double> scale;
  std::optional<std::vector<double>> mean, std;
  std::optional<double> pad;
  std::optional<PadAt> pad_at;
  std::optional<SizeRounding> size_rounding;
  std::optional<Layout> layout;
  std::optional<Size> input_size;  // only compared with the model's

  // Fields set in `stronger` replace these: defaults < sidecar < flags.
  void merge(const PreprocessingRequest& stronger);
};

// Throws Error(kUsage) when the parts contradict each other or the shape, Error(kUnsupported) when
// the shape is not that of a picture.
[[nodiscard]] Preprocessing resolve_preprocessing(const PreprocessingRequest& request,
                                                  const Shape& input_shape);

// "imagenet", "imagenet-half" ([-1, 1]), "yolo", "yolox".
[[nodiscard]] const std::vector<std::string>& preset_names();

// Option values. All throw Error(kUsage) saying what was found and what is allowed.
[[nodiscard]] std::string parse_preset(std::string_view text);  // --preset
[[nodiscard]] ResizeRule parse_resize(
    std::string_view text);  // --resize none|stretch|letterbox|short:N|long:N
[[nodiscard]] Interpolation parse_interpolation(
    std::string_view text);  // --interp bilinear|bicubic|nearest
[[nodiscard]] Resampler parse_resampler(std::string_view text);  // --resampler pillow|opencv
[[nodiscard]] Size parse_crop(std::string_view text);            // --crop N|WIDTHxHEIGHT|none
[[nodiscard]] ColorOrder parse_color(std::string_view text);     // --color RGB|BGR|GRAY
[[nodiscard]] double parse_scale(std::string_view text);         // --scale 0.0078 or 1/255
[[nodiscard]] std::vector<double> parse_mean(
    std::string_view text);  // --mean 0.5 or 0.485,0.456,0.406
[[nodiscard]] std::vector<double> parse_std(std::string_view text);  // --std, each > 0
[[nodiscard]] double parse_pad(std::string_view text);               // --pad 0..255
[[nodiscard]] PadAt parse_pad_at(std::string_view text);             // --pad-at center|topleft
[[nodiscard]] SizeRounding parse_size_rounding(
    std::string_view text);                                // --size-rounding round|floor
[[nodiscard]] Layout parse_layout(std::string_view text);  // --layout NCHW|NHWC

// The sidecar: one JSON object. Keys are the options with underscores (preset, resize, interp,
// resampler, crop, color, scale, mean, std, pad, pad_at, size_rounding, layout), and also
// input_size (N or [width, height]) and resize_short (N, the same as "resize": "short:N"; 0 means
// none was wanted). Numbers may be numbers or option strings; mean and std arrays. An unknown key
// throws Error(kUsage) with the nearest known one; `name` appears in errors.
[[nodiscard]] PreprocessingRequest parse_preprocessing_json(std::string_view text,
                                                            const std::string& name);
[[nodiscard]] std::string to_json(
    const Preprocessing& preprocessing);  // reads back to an equal Preprocessing

}  // namespace qtool::data
