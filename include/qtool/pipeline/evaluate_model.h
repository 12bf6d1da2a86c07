// `qtool evaluate`: the metric of a model on labelled images, in float or on the grids of an encodings file; or, without
// labels, how far the simulated outputs are from the float ones.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "qtool/data/preprocess_request.h"
#include "qtool/eval/compare.h"
#include "qtool/eval/evaluator.h"
#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {

// What a model is measured on, and how.
struct EvaluationRequest {
  std::filesystem::path images;
  std::filesystem::path labels;
  std::filesystem::path preprocess_file;
  data::PreprocessingRequest preprocessing;
  eval::Task task = eval::Task::kAuto;
  std::string decoder;
  eval::DetectionThresholds thresholds;
  std::vector<int64_t> categories;
  int64_t class_offset = 0;
  int64_t limit = 0;
  int threads = 1;
};

struct EvaluateConfig : EvaluationRequest {
  ModelOptions model;
  std::filesystem::path reference;   // without labels: the model to compare with; empty: the same model in float
  std::filesystem::path encodings;   // empty: float; without labels float and simulation are compared
};

struct EvaluateSummary {
  std::optional<eval::EvaluationResult> metrics;
  std::optional<eval::ComparisonResult> comparison;
  std::string preprocessing;
  double seconds = 0.0;
};

// The options of eval::evaluate for a model with this graph; the preprocessing is settled and said.
[[nodiscard]] eval::EvaluationOptions evaluation_options(const EvaluationRequest& request, const ir::Graph& graph, Reporter& reporter);

[[nodiscard]] EvaluateSummary evaluate_model(const EvaluateConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
