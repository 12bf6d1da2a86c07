// Target profiles by name or from a user's JSON file.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/target_profile.h"

namespace qtool::pipeline {

// A known name, or the path of a profile file. Throws Error(kUsage) with the nearest name, or Error(kInvalidData) naming
// file and key for a malformed one.
[[nodiscard]] model::TargetProfile load_profile(const std::string& name_or_path);
[[nodiscard]] std::vector<std::string> profile_names();

}  // namespace qtool::pipeline
