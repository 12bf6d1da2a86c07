// report.json: what was asked, what was found, what it costs. No times and no paths: equal input gives equal bytes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calibration_data.h"
#include "quantized_model.h"

namespace qtool::pipeline {

struct ReportedFile {
  std::string name;
  size_t bytes = 0;
  std::map<std::string, size_t> counts;  // what the exporter counted
};

struct ReportInputs {
  const QuantizeConfig& config;
  const QuantizedModel& quantized;
  const CalibrationData& data;
  double weight_sqnr_db;
  std::vector<ReportedFile> files;
};

[[nodiscard]] std::string write_report(const ReportInputs& inputs);

// SQNR of all weights together, in dB.
[[nodiscard]] double total_weight_sqnr(const model::ModelState& state);

}  // namespace qtool::pipeline
