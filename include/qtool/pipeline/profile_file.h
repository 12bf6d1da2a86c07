// Target profiles by name, from a user's JSON file, or from a runtime configuration of AIMET.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/target_profile.h"

namespace qtool::pipeline {

// A known name, or the path of a profile file or of an AIMET configuration (recognised by its sections). Throws
// Error(kUsage) with the nearest name, or Error(kInvalidData) naming file and key for a malformed one.
[[nodiscard]] model::TargetProfile load_profile(const std::string& name_or_path);
[[nodiscard]] std::vector<std::string> profile_names();

// "aimet-legacy", "aimet-2", "qairt" or a number. Throws Error(kUsage).
void set_min_range(model::TargetProfile& profile, const std::string& text);
// "own", "tie" or "auto". Throws Error(kUsage).
[[nodiscard]] model::ConcatPolicy concat_policy_of(const std::string& name);

}  // namespace qtool::pipeline
