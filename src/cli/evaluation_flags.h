// The options that say what a model is measured on, shared by the commands that measure.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "qtool/pipeline/evaluate_model.h"

namespace qtool::cli {

struct EvaluationFlags {
  std::string task = "auto";
  bool single_label = false;
};

void add_evaluation(CLI::App& app, EvaluationFlags& flags, pipeline::EvaluationRequest& request);
// The part of it that says what is measured, without images and labels.
void add_task(CLI::App& app, EvaluationFlags& flags, pipeline::EvaluationRequest& request);
void settle_evaluation(const EvaluationFlags& flags, pipeline::EvaluationRequest& request);

}  // namespace qtool::cli
