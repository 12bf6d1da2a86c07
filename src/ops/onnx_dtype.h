// Element type codes as attributes such as Cast's `to` carry them (TensorProto.DataType of the standard).
#pragma once

#include <cstdint>

#include "qtool/tensor/dtype.h"

namespace qtool::ops {

// Throws Error(kUnsupported) for types this tool has no tensors of (8-bit floats, complex numbers).
[[nodiscard]] DType dtype_from_onnx(int64_t code);

}  // namespace qtool::ops
