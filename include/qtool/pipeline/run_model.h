// `qtool run`: one forward pass over given tensors, in float or on the grids of an encodings file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtool/pipeline/load_model.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct RunConfig {
  ModelOptions model;
  std::filesystem::path encodings;            // empty: float
  std::vector<std::string> inputs;            // .npz, or [name:=]file.npy|file.raw
  std::filesystem::path outputs;              // .npz, or .npy / .raw for models with one output, or a folder of .raw
  std::vector<std::string> extra_outputs;     // further tensors to return, by name
  int threads = 1;
};

struct RunSummary {
  std::vector<std::pair<std::string, TensorType>> outputs;
  size_t encodings_applied = 0;
  double milliseconds = 0.0;
};

[[nodiscard]] RunSummary run_model(const RunConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
