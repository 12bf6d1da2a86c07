#include "preprocessing_flags.h"

namespace qtool::cli {

data::PreprocessingRequest PreprocessingFlags::request() const {
  data::PreprocessingRequest r;
  if (!preset.empty()) r.preset = data::parse_preset(preset);
  if (!resize.empty()) r.resize = data::parse_resize(resize);
  if (!interp.empty()) r.interpolation = data::parse_interpolation(interp);
  if (!resampler.empty()) r.resampler = data::parse_resampler(resampler);
  if (!crop.empty()) r.crop = data::parse_crop(crop);
  if (!color.empty()) r.color = data::parse_color(color);
  if (!scale.empty()) r.scale = data::parse_scale(scale);
  if (!mean.empty()) r.mean = data::parse_mean(mean);
  if (!std.empty()) r.std = data::parse_std(std);
  if (!pad.empty()) r.pad = data::parse_pad(pad);
  if (!pad_at.empty()) r.pad_at = data::parse_pad_at(pad_at);
  if (!size_rounding.empty()) r.size_rounding = data::parse_size_rounding(size_rounding);
  if (!layout.empty()) r.layout = data::parse_layout(layout);
  return r;
}

void add_preprocessing(CLI::App& app, PreprocessingFlags& f) {
  const char* group = "Preprocessing";
  app.add_option("--preset", f.preset, "imagenet, imagenet-half, yolo, yolox")->group(group);
  app.add_option("--resize", f.resize, "none, stretch, letterbox, short:N, long:N")->group(group);
  app.add_option("--interp", f.interp, "bilinear, bicubic, nearest")->group(group);
  app.add_option("--resampler", f.resampler, "pillow (antialiased) or opencv")->group(group);
  app.add_option("--crop", f.crop, "centre crop: N, WIDTHxHEIGHT or none")->group(group);
  app.add_option("--color", f.color, "RGB, BGR or GRAY")->group(group);
  app.add_option("--scale", f.scale, "factor on 0..255, for example 0.00392157 or 1/255")->group(group);
  app.add_option("--mean", f.mean, "subtracted after scaling: one number or one a channel")->group(group);
  app.add_option("--std", f.std, "divided by, after the mean")->group(group);
  app.add_option("--pad", f.pad, "padding level 0..255")->group(group);
  app.add_option("--pad-at", f.pad_at, "center or topleft")->group(group);
  app.add_option("--size-rounding", f.size_rounding, "of the resized side: round or floor")->group(group);
  app.add_option("--layout", f.layout, "NCHW or NHWC")->group(group);
}

}  // namespace qtool::cli
