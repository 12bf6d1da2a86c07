// Text of the files in data/report, compiled in; "chart.js" is there when the build found the library.
#pragma once

#include <map>
#include <string_view>

namespace qtool::report {

// Keys are paths below data/report, for example "core/20_table.js".
[[nodiscard]] const std::map<std::string_view, std::string_view>& embedded_assets();

}  // namespace qtool::report
