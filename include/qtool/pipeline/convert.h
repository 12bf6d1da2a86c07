// `qtool convert`: the unquantized container, as Qualcomm's converters give it, or the cleaned-up model as ONNX.
#pragma once

#include <filesystem>

#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {

struct ConvertConfig {
  ModelOptions model;
  std::filesystem::path output;   // the file extension names the format: .dlc or .onnx
  bool fp16 = false;
};

struct ConvertSummary {
  size_t ops = 0;
  size_t size_bytes = 0;
};

// Throws Error(kUsage) for another extension, and for fp16 with ONNX.
ConvertSummary convert(const ConvertConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
