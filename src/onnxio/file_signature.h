// What a file that is not an ONNX model looks like.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace qtool::onnxio {

// "a TFLite model", "a PyTorch archive", "text", ...; empty when nothing is recognised.
[[nodiscard]] std::string describe_file(std::span<const std::byte> content);

}  // namespace qtool::onnxio
