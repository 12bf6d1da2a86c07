// report.json: what was asked, what was found, what it costs. No times and no paths: equal input gives equal bytes.
#pragma once

#include <string>
#include <vector>

#include "calibration_data.h"
#include "qtool/calib/calibrator.h"
#include "qtool/model/target_profile.h"
#include "qtool/passes/compute_encodings.h"

namespace qtool::pipeline {

struct ReportInputs {
  const QuantizeConfig& config;
  const LoadedModel& model;
  const model::TargetProfile& profile;
  const CalibrationData& data;
  const calib::CalibrationResult& calibration;
  const passes::EncodingNotes& notes;
  const std::vector<std::string>& warnings;
  const std::vector<std::string>& advice;
  double weight_sqnr_db;
  std::vector<std::pair<std::string, size_t>> files;  // name, bytes
  const optimize::OptimizeResult& optimized;
};

[[nodiscard]] std::string write_report(const ReportInputs& inputs);

// SQNR of all weights together, in dB.
[[nodiscard]] double total_weight_sqnr(const model::ModelState& state);

}  // namespace qtool::pipeline
