// `--optimizations auto`: the whole recipe by evidence. Steps of search_steps.h are tried one after another on top of what
// has been kept; each is judged on calibration samples that its ranges have not seen. Images given for choosing say whether
// the target is met; without them a rule of thumb on the same samples does (expected_drop.h).
#pragma once

#include "quantized_model.h"

namespace qtool::pipeline {

// `data` must have a source. The result holds the record of the search and the recipe as options. It does not depend on the
// clock or the thread count unless the time budget cuts, which the record says.
[[nodiscard]] QuantizedModel search_recipe(const QuantizeConfig& config, const LoadedModel& model, const CalibrationData& data,
                                           StageClock& clock, Reporter& reporter);

}  // namespace qtool::pipeline
