// Statistics of the activations, and what follows from them where ranges are chosen by measuring.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "method_comparison.h"
#include "qtool/calib/calibrator.h"
#include "qtool/optimize/choose_ranges.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

class SharedWork;

// One tensor under one method.
struct MethodRange {
  std::string label;
  quant::Range range;
  double own_sqnr_db = 0.0;   // expected from the histogram
};

struct MethodComparison {
  int64_t samples = 0;                                             // simulated, kept aside from the statistics of the trial
  std::vector<MethodScore> scores;                                 // best first
  std::map<ir::ValueId, std::vector<MethodRange>> tensors;         // with --compare-calibration
};

struct CalibrationStage {
  calib::CalibrationResult statistics;
  passes::ChosenRanges chosen;                  // of `auto` and `best`
  optimize::RangeChoices choices;               // of `auto` and `best`
  std::optional<MethodComparison> comparison;
};

// Whether calibration has to collect histograms for what this configuration does with the statistics.
[[nodiscard]] bool needs_histograms(const QuantizeConfig& config);

// `state` must be planned. One pass over the data. With the methods "auto" and "best" up to 32 samples are kept aside to
// measure noise at the outputs; with --compare-calibration alone these samples judge the methods and count for the final
// ranges all the same. `shared` (may be nullptr) keeps statistics for other recipes.
[[nodiscard]] CalibrationStage run_calibration(const QuantizeConfig& config, const model::ModelState& state, const data::SampleSource& source,
                                               SharedWork* shared, Reporter& reporter);

}  // namespace qtool::pipeline
