// How ranges are found: options of every command that makes encodings.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "qtool/pipeline/quantize.h"

namespace qtool::cli {

struct CalibrationFlags {
  std::string act_method, param_method;
  std::string act_schema, param_schema;
  std::string enhanced;              // weights, activations or empty: both
  bool adjusted = false;
  double min_range = 0.0;

  // Throws Error(kUsage) for options that contradict each other.
  void apply(const CLI::App& app, pipeline::QuantizeConfig& config) const;
};

void add_calibration(CLI::App& app, CalibrationFlags& flags, pipeline::QuantizeConfig& config);

}  // namespace qtool::cli
