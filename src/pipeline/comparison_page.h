// The HTML page of `qtool compare --html`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/pipeline/compare_recipes.h"
#include "quantized_model.h"
#include "recipe_parts.h"
#include "sample_images.h"

namespace qtool::pipeline {

// Takes from each recipe what it shows, so that the quantized models need not be kept.
class ComparisonPage {
 public:
  // `model` is the float model, `labels` what recipes are measured on.
  ComparisonPage(const CompareConfig& config, const LoadedModel& model, const eval::Labels& labels, const eval::EvaluationOptions& evaluation);
  void add(const std::string& label, const QuantizeConfig& recipe, const QuantizedModel& quantized);
  [[nodiscard]] std::string render(const CompareResult& result, const CalibrationData& data, Reporter& reporter) const;

 private:
  [[nodiscard]] nlohmann::json warnings() const;

  const CompareConfig& config_;
  std::string sha256_;
  std::vector<std::string> class_names_;
  ChannelRanges weights_before_;
  SampleImages images_;
  RecipeTensors tensors_;
  RecipeFindings findings_;
  RecipeEqualization equalization_;
  nlohmann::json stages_ = nlohmann::json::array();
  std::vector<std::pair<std::string, std::vector<std::string>>> warnings_;  // text, recipes
  std::map<std::string, std::string> summaries_;                            // by recipe: profile and widths in words
};

}  // namespace qtool::pipeline
