// What several recipes of one comparison compute alike is computed once: statistics of equal graphs over equal samples.
//
// A result is taken over only when the graph (bit by bit), the samples and the observed values are the same. Observing other
// values may change which operators are fused, and with it last bits; so nothing is shared between different sets.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "calibration_stage.h"
#include "qtool/calib/calibrator.h"
#include "qtool/optimize/choose_precision.h"
#include "qtool/optimize/statistics.h"
#include "qtool/rounding/rounding_memory.h"

namespace qtool::pipeline {

// Not thread-safe: recipes follow one another. One object serves one model, one calibration set and one thread count.
class SharedWork {
 public:
  // calib::calibrate() without channel axes. Histograms that were collected for an earlier recipe are left out where they are
  // not asked for.
  [[nodiscard]] calib::CalibrationResult calibrate(const ir::Graph& graph, const std::vector<ir::ValueId>& observed,
                                                   const data::SampleSource& source, const calib::CalibrationOptions& options, Reporter& reporter);
  // optimize::collect_statistics().
  [[nodiscard]] optimize::Statistics collect(const ir::Graph& graph, const data::SampleSource& source, int threads, Reporter& reporter);

  // Results that follow from the options too: `options` must name all that matter.
  [[nodiscard]] CalibrationStage stage(const std::string& options, const ir::Graph& graph, const std::function<CalibrationStage()>& compute);
  [[nodiscard]] optimize::PrecisionResult precision(const std::string& options, const ir::Graph& graph,
                                                    const std::function<optimize::PrecisionResult()>& compute);

  // Of adaround(), which looks for itself.
  [[nodiscard]] rounding::RoundingMemory& roundings() { return roundings_; }

  [[nodiscard]] int64_t reused() const { return reused_; }  // results that were not computed again

 private:
  std::map<std::string, calib::CalibrationResult> calibrations_;
  std::map<std::string, optimize::Statistics> statistics_;
  std::map<std::string, CalibrationStage> stages_;
  std::map<std::string, optimize::PrecisionResult> precisions_;
  rounding::RoundingMemory roundings_;
  int64_t reused_ = 0;
};

// From `shared`, or anew where there is none.
[[nodiscard]] calib::CalibrationResult calibrate(SharedWork* shared, const ir::Graph& graph, const std::vector<ir::ValueId>& observed,
                                                 const data::SampleSource& source, const calib::CalibrationOptions& options, Reporter& reporter);

// Of the options that decide ranges and widths before any stage runs; recipes that differ only in stages have equal texts.
[[nodiscard]] std::string range_options(const QuantizeConfig& config);

}  // namespace qtool::pipeline
