// `qtool convert`: a model in another container, without calibration. A float model becomes the unquantized DLC, as
// Qualcomm's converters give it, or its cleaned-up ONNX; a model that is quantized already keeps its encodings.
#pragma once

#include <filesystem>

#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {

struct ConvertConfig {
  ModelOptions model;
  // The file extension names the format: .dlc, .onnx, and .json for the encodings of a quantized model.
  std::filesystem::path output;
  bool fp16 = false;  // float models as .dlc only
};

struct ConvertSummary {
  size_t ops = 0;         // operators of the model
  size_t encodings = 0;   // 0 for float models
  size_t size_bytes = 0;
};

// Throws Error(kUsage) for another extension, for fp16 where it does not apply, and for the encodings of a float model.
ConvertSummary convert(const ConvertConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
