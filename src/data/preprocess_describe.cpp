#include <cmath>

#include "preprocess_names.h"
#include "qtool/data/preprocess.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

std::string size_text(const Size& size) { return format("{}x{}", size.width, size.height); }

std::string filter_text(const Preprocessing& p) {
  const bool pillow_expected =
      p.resize.kind == ResizeKind::kShort || p.interpolation == Interpolation::kBicubic;
  const bool usual = (p.resampler == Resampler::kPillow) == pillow_expected;
  const std::string_view filter = word_of(kInterpolationWords, p.interpolation);
  return usual ? std::string(filter)
               : format("{} {}", word_of(kResamplerWords, p.resampler), filter);
}

std::string pad_text(const Preprocessing& p) {
  return format("pad {} {}{}", p.pad, p.pad_at == PadAt::kCenter ? "centre" : "top left",
                p.size_rounding == SizeRounding::kFloor ? ", floor" : "");
}

std::string resize_phrase(const Preprocessing& p, const Size& input) {
  switch (p.resize.kind) {
    case ResizeKind::kNone:
      return "no resize";
    case ResizeKind::kStretch:
      return format("stretch to {} ({})", size_text(input), filter_text(p));
    case ResizeKind::kShort:
      return format("shorter side to {} ({})", p.resize.side, filter_text(p));
    case ResizeKind::kLetterbox:
      return format("letterbox to {} ({}, {})", size_text(input), filter_text(p), pad_text(p));
    case ResizeKind::kLong:
      return format("longer side to {} on {} ({}, {})", p.resize.side, size_text(input),
                    filter_text(p), pad_text(p));
  }
  return "?";
}

std::string scaled_pixel(double scale) {
  if (scale == 1.0) return "x";
  const double divisor = 1.0 / scale;
  const double rounded = std::nearbyint(divisor * 2.0) / 2.0;  // 127.5 counts as round
  // 1e-6: a scale printed with seven digits still means 1/255.
  if (rounded != 0.0 && std::fabs(divisor - rounded) < 1e-6 * std::fabs(divisor))
    return format("x/{}", rounded);
  return format("x*{}", scale);
}

std::string normalisation(const Preprocessing& p) {
  std::string text = scaled_pixel(p.scale);
  if (!p.mean.empty()) text = format("{} - [{}]", text, join(p.mean, ", "));
  if (p.std.empty()) return text;
  return p.mean.empty() ? format("{} / [{}]", text, join(p.std, ", "))
                        : format("({}) / [{}]", text, join(p.std, ", "));
}

}  // namespace

std::string describe(const Preprocessing& p, const Shape& input_shape) {
  std::string text = resize_phrase(p, input_geometry(input_shape, p.layout).size);
  if (p.crop) text += format(", centre crop {}", size_text(*p.crop));
  return format("{}, {}, {}, {}", text, word_of(kColorWords, p.color), normalisation(p),
                word_of(kLayoutWords, p.layout));
}

}  // namespace qtool::data
