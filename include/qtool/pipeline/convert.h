// `qtool convert`: the unquantized container, as Qualcomm's converters give it.
#pragma once

#include <filesystem>

#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {

struct ConvertConfig {
  ModelOptions model;
  std::filesystem::path output;   // the .dlc file
  bool fp16 = false;
};

struct ConvertSummary {
  size_t ops = 0;
  size_t size_bytes = 0;
};

ConvertSummary convert(const ConvertConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
