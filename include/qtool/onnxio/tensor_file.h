// Single tensors in files (TensorProto), as the standard's test data holds them.
#pragma once

#include <filesystem>
#include <string>

#include "qtool/tensor/tensor.h"

namespace qtool::onnxio {

struct NamedTensor {
  std::string name;  // often empty
  Tensor tensor;
};

// Throws Error naming the file: kIo, kInvalidModel (not a tensor), kUnsupported (strings, float8, complex).
[[nodiscard]] NamedTensor read_tensor_proto(const std::filesystem::path& path);

}  // namespace qtool::onnxio
