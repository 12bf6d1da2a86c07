// `qtool inspect`: what is in an ONNX model, an encodings JSON or a DLC, as text and as JSON.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct Inspection {
  std::string text;
  std::string json;
};

struct InspectOptions {
  std::filesystem::path path;
  bool layers = false;                    // every operator and tensor too
  std::vector<std::string> input_shapes;  // ONNX: dynamic dimensions, "name:1,3,640,640"
};

// The kind is recognised by content.
[[nodiscard]] Inspection inspect(const InspectOptions& options, Reporter& reporter);

}  // namespace qtool::pipeline
