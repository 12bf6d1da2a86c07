// Concat joins tensors of different ranges: which encodings they keep, and what dies in the output's.
#pragma once

#include <map>

#include "qtool/calib/registry.h"
#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/passes/compute_encodings.h"

namespace qtool::passes {

// Before encodings are computed. Operators whose inputs' largest magnitudes differ by more than
// profile.concat_threshold are untied, or treated as profile.concat_policy says; the plan is changed accordingly.
// SOURCE algorithms of the field tie all inputs to one encoding: boxes of 0..640 then erase scores of 0..1.
void settle_concats(model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics,
                    const model::TargetProfile& profile, EncodingNotes& notes);

// After encodings were computed: inputs whose largest magnitude is below half a level of the output.
void find_dead_parts(const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics, EncodingNotes& notes);

}  // namespace qtool::passes
