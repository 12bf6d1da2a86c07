// The options of commands that quantize and then measure on other images, with one preprocessing for both.
#pragma once

#include "command.h"
#include "evaluation_flags.h"
#include "preprocessing_flags.h"
#include "quantization_flags.h"

namespace qtool::cli {

struct MeasuredFlags {
  PreprocessingFlags preprocessing;
  QuantizationFlags quantization;
  EvaluationFlags evaluation;
};

// The model and the samples that it is calibrated on.
void add_calibrated_model(CLI::App& app, pipeline::QuantizeConfig& quantize);

void add_measured(CLI::App& app, MeasuredFlags& flags, pipeline::QuantizeConfig& quantize, pipeline::EvaluationRequest& evaluation);

// Call when the command runs.
void settle_measured(const CLI::App& app, const CommonOptions& common, const MeasuredFlags& flags, pipeline::QuantizeConfig& quantize,
                     pipeline::EvaluationRequest& evaluation);

}  // namespace qtool::cli
