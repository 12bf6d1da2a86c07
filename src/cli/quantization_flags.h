// The options that say how to quantize, shared by the commands that do it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "calibration_flags.h"
#include "precision_flags.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::cli {

// Values that need a look at the command line before they enter the configuration.
struct QuantizationFlags {
  std::string recipe;
  int bias = 0, act = 0, weights = 0, keep_aside = 0;
  CalibrationFlags calibration;
  bool override_params = true;
  PrecisionFlags by_hand;
  std::vector<double> adaround_beta;
  std::string adaround_blocks, adaround_tabu;  // on, off or nothing said
};

// `config` and `flags` must live as long as the app.
void add_quantization(CLI::App& app, QuantizationFlags& flags, pipeline::QuantizeConfig& config);

// Call when the command runs: fills what add_quantization could not bind, then the recipe where no option was given.
void settle_quantization(const CLI::App& app, const QuantizationFlags& flags, pipeline::QuantizeConfig& config);

}  // namespace qtool::cli
