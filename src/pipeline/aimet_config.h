// AIMET's runtime configuration (htp_quantsim_config_*.json and the like) as a target profile.
#pragma once

#include <nlohmann/json.hpp>

#include "qtool/model/target_profile.h"

namespace qtool::pipeline {

[[nodiscard]] bool is_aimet_config(const nlohmann::json& file);

// Sections: defaults, params, op_type, supergroups, supergroup_pass_list, model_input, model_output; later ones are
// stronger. Widths are not part of it: 8-bit activations and weights, int32 biases. Operators whose output is not
// quantized keep the encoding of their input when they only move data, else their output stays float. Throws
// Error(kInvalidData) for unknown sections and keys.
[[nodiscard]] model::TargetProfile profile_of_aimet_config(const nlohmann::json& file);

}  // namespace qtool::pipeline
