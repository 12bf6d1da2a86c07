// Option values as text -> PreprocessingRequest fields.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "preprocess_names.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::data {

namespace {

constexpr int kMaxSide = 1 << 14;  // pixels; more is a typing error

[[noreturn]] void refuse(std::string_view option, std::string_view found, std::string_view allowed,
                         std::string_view suggestion = "") {
  throw Error(ErrorCode::kUsage, format("{} '{}' is not known{}{} allowed: {}", option, found,
                                        suggestion, suggestion.empty() ? ";" : "", allowed));
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

template <class Enum, size_t kCount>
Enum parse_word(std::string_view option, std::string_view text,
                const std::array<Word<Enum>, kCount>& words) {
  std::vector<std::string> known;
  for (const auto& word : words) {
    if (equal_ignoring_case(text, word.text)) return word.value;
    known.emplace_back(word.text);
  }
  refuse(option, text, format("{}", join(known, ", ")), did_you_mean(text, known));
}

std::optional<int> parse_side(std::string_view text) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || value < 1 || value > kMaxSide)
    return std::nullopt;
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// "0.5" or "1/255".
std::optional<double> parse_ratio(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return parse_number(text);
  const auto above = parse_number(text.substr(0, slash)),
             below = parse_number(text.substr(slash + 1));
  if (!above || !below || *below == 0.0) return std::nullopt;
  return *above / *below;
}

std::vector<double> parse_channels(std::string_view option, std::string_view text) {
  std::vector<double> values;
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const auto value = parse_ratio(rest.substr(0, comma));
    if (!value) refuse(option, text, "one number, or three separated by commas");
    values.push_back(*value);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (values.size() != 1 && values.size() != 3) {
    refuse(option, text, format("one number or three, found {}", values.size()));
  }
  return values;
}

}  // namespace

std::string resize_text(const ResizeRule& rule) {
  switch (rule.kind) {
    case ResizeKind::kNone:
      return "none";
    case ResizeKind::kStretch:
      return "stretch";
    case ResizeKind::kLetterbox:
      return "letterbox";
    case ResizeKind::kShort:
      return format("short:{}", rule.side);
    case ResizeKind::kLong:
      return format("long:{}", rule.side);
  }
  return "?";
}

std::string parse_preset(std::string_view text) {
  const auto& names = preset_names();
  for (const std::string& name : names) {
    if (equal_ignoring_case(text, name)) return name;
  }
  refuse("preset", text, format("{}", join(names, ", ")), did_you_mean(text, names));
}

ResizeRule parse_resize(std::string_view text) {
  if (equal_ignoring_case(text, "none")) return {ResizeKind::kNone};
  if (equal_ignoring_case(text, "stretch")) return {ResizeKind::kStretch};
  if (equal_ignoring_case(text, "letterbox")) return {ResizeKind::kLetterbox};
  constexpr std::string_view kAllowed =
      "none, stretch, letterbox, short:N, long:N (N in pixels, for instance short:256)";
  const size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  const bool is_short = equal_ignoring_case(word, "short");
  if (is_short || equal_ignoring_case(word, "long")) {
    const auto side =
        colon == std::string_view::npos ? std::nullopt : parse_side(text.substr(colon + 1));
    if (!side) refuse("resize", text, kAllowed);
    return {is_short ? ResizeKind::kShort : ResizeKind::kLong, *side};
  }
  static const std::vector<std::string> known{"none", "stretch", "letterbox", "short", "long"};
  refuse("resize", text, kAllowed, did_you_mean(word, known));
}

Interpolation parse_interpolation(std::string_view text) {
  return parse_word("interp", text, kInterpolationWords);
}
Resampler parse_resampler(std::string_view text) {
  return parse_word("resampler", text, kResamplerWords);
}
ColorOrder parse_color(std::string_view text) { return parse_word("color", text, kColorWords); }
Layout parse_layout(std::string_view text) { return parse_word("layout", text, kLayoutWords); }
SizeRounding parse_size_rounding(std::string_view text) {
  return parse_word("size-rounding", text, kSizeRoundingWords);
}

PadAt parse_pad_at(std::string_view text) {
  if (equal_ignoring_case(text, "centre")) return PadAt::kCenter;
  return parse_word("pad-at", text, kPadAtWords);
}

Size parse_crop(std::string_view text) {
  if (equal_ignoring_case(text, "none")) return {};
  const size_t times = text.find_first_of("xX");
  const auto width = parse_side(text.substr(0, times));
  const auto height = times == std::string_view::npos ? width : parse_side(text.substr(times + 1));
  if (!width || !height) refuse("crop", text, "none, N or WIDTHxHEIGHT in pixels");
  return {*width, *height};
}

double parse_scale(std::string_view text) {
  const auto value = parse_ratio(text);
  if (!value || *value == 0.0)
    refuse("scale", text, "a number other than 0, or a ratio such as 1/255");
  return *value;
}

std::vector<double> parse_mean(std::string_view text) { return parse_channels("mean", text); }

std::vector<double> parse_std(std::string_view text) {
  std::vector<double> values = parse_channels("std", text);
  for (const double value : values) {
    if (value <= 0.0) refuse("std", text, "numbers above 0, because the pixel is divided by them");
  }
  return values;
}

double parse_pad(std::string_view text) {
  const auto value = parse_number(text);
  if (!value || *value < 0.0 || *value > 255.0) refuse("pad", text, "a level from 0 to 255");
  return *value;
}

}  // namespace qtool::data
