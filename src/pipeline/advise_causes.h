// Why a quantized model loses accuracy, in words, most important first.
#pragma once

#include <string>
#include <vector>

#include "held_out_judge.h"
#include "quantized_model.h"

namespace qtool::pipeline {

// `quantized` must have been calibrated with histograms.
[[nodiscard]] std::vector<std::string> failure_causes(const QuantizedModel& quantized, const HeldOutJudge& judge);

}  // namespace qtool::pipeline
