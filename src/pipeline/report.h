// report.json: what was asked, what was found, what it costs. No times and no paths: equal input gives equal bytes.
#pragma once

#include <string>
#include <vector>

#include "calibration_data.h"
#include "quantized_model.h"

namespace qtool::pipeline {

struct ReportInputs {
  const QuantizeConfig& config;
  const QuantizedModel& quantized;
  const CalibrationData& data;
  double weight_sqnr_db;
  std::vector<std::pair<std::string, size_t>> files;  // name, bytes
};

[[nodiscard]] std::string write_report(const ReportInputs& inputs);

// SQNR of all weights together, in dB.
[[nodiscard]] double total_weight_sqnr(const model::ModelState& state);

}  // namespace qtool::pipeline
