// `qtool inspect`: what is in an ONNX model, an encodings JSON or a DLC, as text and as JSON.
#pragma once

#include <filesystem>
#include <string>

#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct Inspection {
  std::string text;
  std::string json;
};

// The kind is recognised by content. `layers` adds every operator or tensor.
[[nodiscard]] Inspection inspect(const std::filesystem::path& path, bool layers, Reporter& reporter);

}  // namespace qtool::pipeline
