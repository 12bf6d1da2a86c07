// Durations as people write them: 90s, 5m, 1h30m, 2.5m; a bare number is seconds.
#pragma once

#include <string>
#include <string_view>

namespace qtool {

// Seconds, above 0. Throws Error(kUsage) naming `option` and what it takes.
[[nodiscard]] double parse_duration(std::string_view option, const std::string& text);

// "12 s", "4 min 10 s"; below ten seconds with one decimal.
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace qtool
