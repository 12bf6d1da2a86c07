// `qtool compare`: FP32 and several recipes on the same images with the same post-processing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qtool/eval/bootstrap.h"
#include "qtool/pipeline/evaluate_model.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/pipeline/recipe.h"

namespace qtool::pipeline {

struct CompareConfig {
  QuantizeConfig base;             // model, calibration data, options that every recipe starts from
  EvaluationRequest evaluation;
  // Presets, recipe files, or optimization stages joined by '+' (`cle+bc`: the base options with these stages).
  std::vector<std::string> recipes;
  std::optional<double> max_drop;  // of the headline metric, in points (0.5: half a point of mAP or top-1)
  std::vector<std::string> gate;   // recipes that must stay within max_drop; empty: the best one
  int64_t resamples = 1000;        // of the bootstrap; 0: no intervals
  std::filesystem::path html;      // report as a self-contained page; empty: none
  std::filesystem::path class_names;  // for the page: a name a line in the order of class indices; empty: of the labels
};

struct BlockSqnr {
  std::string name;
  double sqnr_db = 0.0, cosine = 0.0;
};

struct ComparedRecipe {
  Recipe recipe;                               // resolved
  std::string label;                           // as given
  std::vector<eval::Metric> metrics;           // 0..1, the headline first
  double drop = 0.0;                           // of the headline, 0..1
  std::optional<eval::Interval> interval;      // 95 %, of the drop
  std::vector<BlockSqnr> blocks;
  std::optional<double> agreement;             // same top-1 class as FP32, 0..1
  size_t dlc_bytes = 0;
  std::string builds_on;                       // an earlier recipe with a part of the stages; "" none
  std::optional<double> gain;                  // of the headline over that one, 0..1
  std::vector<optimize::StageRow> stages;
  std::vector<std::string> warnings;
  double quantize_seconds = 0.0, evaluate_seconds = 0.0;
};

struct CompareResult {
  std::string model;
  eval::Task task = eval::Task::kAuto;
  int64_t images = 0, calibration_samples = 0;
  int64_t sqnr_images = 0;                     // images whose raw outputs are compared
  std::vector<eval::Metric> metrics;           // of FP32
  size_t model_bytes = 0;
  double fp32_seconds = 0.0, seconds = 0.0;
  std::vector<ComparedRecipe> recipes;         // in the order given
  std::optional<std::string> gate_failure;     // one sentence; empty: passed, or no gate
};

// Throws Error(kUsage) for unknown recipes and stages before anything is computed. Writes the page, if asked for, last.
[[nodiscard]] CompareResult compare_recipes(const CompareConfig& config, Reporter& reporter);

// The table for a terminal or a README.
[[nodiscard]] std::string comparison_markdown(const CompareResult& result);
[[nodiscard]] std::string comparison_json(const CompareResult& result);

}  // namespace qtool::pipeline
