// The files of data/profiles and data/recipes, compiled in.
#pragma once

#include <map>
#include <string>

namespace qtool::pipeline {
// Name -> JSON text.
[[nodiscard]] const std::map<std::string, std::string>& embedded_profiles();
[[nodiscard]] const std::map<std::string, std::string>& embedded_recipes();
}
