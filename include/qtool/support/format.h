// Text formatting. std::format is not in g++ 12, so fmt stands behind this one header.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qtool {
using fmt::format;
using fmt::join;
}  // namespace qtool
