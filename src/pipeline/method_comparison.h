// All calibration methods side by side, from the statistics of one pass and simulations on samples kept aside.
#pragma once

#include <string>
#include <vector>

#include "qtool/calib/registry.h"
#include "qtool/optimize/simulation_noise.h"
#include "qtool/passes/compute_encodings.h"

namespace qtool::pipeline {

// A method with its options, under the name it has in reports: "percentile 99.99".
struct MethodVariant {
  std::string label;
  const calib::Method* method = nullptr;
  calib::MethodOptions options;
};

struct MethodScore {
  std::string label;
  double cost = 0.0;                                            // OutputNoise::cost; lower is better
  std::vector<std::pair<std::string, double>> output_sqnr_db;   // by block of the outputs
};

// min-max, sqnr, mse, entropy and the percentiles 99.9, 99.99, 99.999 and `percentile`.
[[nodiscard]] std::vector<MethodVariant> all_methods(double percentile);
// Those worth simulating when a method is to be chosen: min-max, percentile 99.99 and 99.999, mse, sqnr.
[[nodiscard]] std::vector<MethodVariant> usual_methods();

// What judging a method takes.
struct MethodTrial {
  const model::ModelState& state;   // planned
  const std::map<ir::ValueId, calib::TensorStatistics>& statistics;
  const calib::Method& weight_method;
  const optimize::SimulationNoise& simulation;
  int threads = 1;

  [[nodiscard]] MethodScore score(const MethodVariant& variant, const passes::ChosenRanges& chosen = {}) const;
  // `chosen`: none, or one a variant.
  [[nodiscard]] std::vector<MethodScore> score_each(const std::vector<MethodVariant>& variants, const std::vector<passes::ChosenRanges>& chosen = {}) const;
};

}  // namespace qtool::pipeline
