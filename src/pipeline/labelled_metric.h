// The headline metric on labelled images, as a figure to search by.
#pragma once

#include <optional>
#include <string>

#include "qtool/model/model_state.h"
#include "qtool/pipeline/evaluate_model.h"

namespace qtool::pipeline {

class LabelledMetric {
 public:
  // Reads the labels and measures the float model once. Throws what load_labels and evaluate do.
  LabelledMetric(const EvaluationRequest& request, const ir::Graph& floats, Reporter& reporter);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] double float_value() const { return float_value_; }         // 0..1
  [[nodiscard]] double seconds() const { return seconds_; }                 // of the measurement before
  // Of the simulation on state.encodings, 0..1.
  [[nodiscard]] double measure(const model::ModelState& state);

 private:
  double run(const ir::Graph& graph, const model::EncodingTable* encodings);

  Reporter& reporter_;
  eval::EvaluationOptions options_;
  eval::Labels labels_;
  std::string name_;
  double float_value_ = 0.0, seconds_ = 0.0;
};

}  // namespace qtool::pipeline
