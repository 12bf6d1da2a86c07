// `qtool advise`: down the ladder of precisions, FP16, W16A16, W8A16, W8A8, W4A8, to the first one that loses too much; why
// it does, and which command to try next. The workflow that vendors of quantizers recommend, with figures.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qtool/pipeline/evaluate_model.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct AdviseConfig {
  QuantizeConfig quantize;          // how models are quantized but for the widths; output and emit are not looked at
  EvaluationRequest evaluation;     // with images and labels: the metric decides instead of the estimate
  double threshold = 1.0;           // points that a step may lose
};

struct AdvisedStep {
  std::string precision;                                // "FP16", "W8A8", "W8A8 + selective"
  bool available = true;                                // the profile has these widths
  std::optional<double> noise_db;                       // output noise on calibration samples kept aside
  std::vector<std::pair<std::string, double>> blocks;   // SQNR by output block, dB: boxes and scores apart
  std::optional<double> agreement;                      // same top-1 as FP32, 0..1; classifiers
  double expected_drop = 0.0;                           // points, rule of thumb on noise_db
  std::optional<double> metric, drop;                   // 0..1, and points below FP32; with labels
  double cost = 0.0;                                    // relative to 8 bits everywhere
  bool passes = true;
  std::string note;                                     // why it is not available, or what stands out
};

struct AdviseResult {
  std::string model, profile;
  double threshold = 1.0;
  std::string metric;                    // empty: no labels
  std::optional<double> float_metric;    // 0..1
  int64_t samples = 0;                   // kept aside
  bool detector = false;                 // blocks are boxes and scores
  std::vector<AdvisedStep> steps;        // in the order of the walk
  std::string first_failing;             // its precision; empty: all pass
  std::vector<std::string> causes;       // of the failure, in words, most important first
  std::optional<AdvisedStep> remedy;     // the failing step with selective precision, when that addresses it
  std::vector<std::string> commands;     // what to try, best first
  std::string verdict;                   // one sentence
  double seconds = 0.0;
};

// Throws Error(kUsage) for a threshold that is not above 0, and for images without labels or the reverse.
[[nodiscard]] AdviseResult advise(const AdviseConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
