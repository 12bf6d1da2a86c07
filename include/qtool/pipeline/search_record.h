// What `--optimizations auto` tried, measured and decided (docs/recipes.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qtool/optimize/cost_model.h"

namespace qtool::pipeline {

// One step of the search. Figures are those of the recipe with this step, kept or not; empty when it was not run.
struct SearchRow {
  std::string step;                                    // "plain", "head", "ranges", ...
  std::string precision;                               // "W8A8", "W8A16", ...
  std::optional<double> proxy_db;                      // output noise on calibration samples kept aside
  std::vector<std::pair<std::string, double>> blocks;  // SQNR by output block, dB
  double expected_drop = 0.0;                          // points, a rule of thumb on proxy_db (expected_drop.h)
  std::optional<double> metric, drop;                  // 0..1, and points below FP32; with labels, where it was measured
  double cost = 0.0;                                   // relative to 8 bits everywhere (cost_model.h)
  int64_t converts = 0;                                // conversions between widths
  optimize::WideTensors wide = {};                     // with more than 8 bits
  double seconds = 0.0, estimated_seconds = 0.0;
  std::string decision;                                // "start", "kept", "rolled back", "nothing to do", "skipped"
  std::string reason;
  bool pareto = false;                                 // nothing tried is both cheaper and better
};

struct SearchRecord {
  std::vector<SearchRow> rows;                         // in the order tried
  size_t best = 0;                                     // the row whose recipe was taken
  double target_drop = 0.0;                            // points
  bool target_given = false;                           // false: a default
  std::optional<double> target_cost, time_budget;
  bool target_met = false;
  bool measured = false;                               // by the metric on labelled images; false: by the estimate
  bool cut_by_budget = false;                          // a step was skipped for want of time
  std::string metric;                                  // name of the headline metric; empty without labels
  std::optional<double> float_metric;                  // 0..1
  int64_t samples = 0;                                 // kept aside, that the estimate comes from
  std::string verdict;                                 // one sentence
  double seconds = 0.0;
};

}  // namespace qtool::pipeline
