// The profiles of data/profiles, compiled in.
#pragma once

#include <map>
#include <string>

namespace qtool::pipeline {
[[nodiscard]] const std::map<std::string, std::string>& embedded_profiles();  // name -> JSON text
}
