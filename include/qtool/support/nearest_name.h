// "did you mean": the known name closest to a wrong one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace qtool {

// Empty when nothing is similar enough (edit distance above a third of the length).
[[nodiscard]] std::string nearest_name(std::string_view wrong, std::span<const std::string> known);

// ", did you mean 'x'?" or "".
[[nodiscard]] std::string did_you_mean(std::string_view wrong, std::span<const std::string> known);

}  // namespace qtool
