#include "qtool/support/duration.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool {

namespace {

// The unit behind a number, in seconds; moves `at` behind it.
std::optional<double> take_unit(std::string_view text, size_t& at) {
  const size_t start = at;
  while (at < text.size() && text[at] >= 'a' && text[at] <= 'z') ++at;
  const std::string_view unit = text.substr(start, at - start);
  if (unit == "h") return 3600.0;
  if (unit == "m" || unit == "min") return 60.0;
  if (unit == "s" || (unit.empty() && at == text.size())) return 1.0;
  return std::nullopt;
}

std::optional<double> seconds_of(std::string_view text) {
  double total = 0.0;
  for (size_t at = 0; at < text.size();) {
    double number = 0.0;
    const auto [end, problem] = std::from_chars(text.data() + at, text.data() + text.size(), number, std::chars_format::fixed);
    if (problem != std::errc() || number < 0.0) return std::nullopt;
    at = static_cast<size_t>(end - text.data());
    const auto unit = take_unit(text, at);
    if (!unit) return std::nullopt;
    total += number * *unit;
  }
  return std::isfinite(total) && total > 0.0 ? std::optional(total) : std::nullopt;
}

}  // namespace

double parse_duration(std::string_view option, const std::string& text) {
  if (const auto seconds = seconds_of(text)) return *seconds;
  throw Error(ErrorCode::kUsage, format("{} {}: give a time above 0 such as 300s, 5m or 1h30m", option, text.empty() ? "''" : text));
}

std::string duration_text(double seconds) {
  if (seconds < 10.0) return format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return format("{} s", whole);
  return whole % 60 == 0 ? format("{} min", whole / 60) : format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace qtool
