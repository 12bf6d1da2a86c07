// Settles the shapes of graph inputs: what the file declares, what the user gives, and the batch size.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "qtool/onnxio/import.h"

namespace qtool::onnxio {

// Type of every input, by position in `inputs` (graph inputs that are not initializers). A symbolic dimension that is
// settled for one input holds for all. Throws Error as import_model() says.
[[nodiscard]] std::vector<TensorType> settle_input_types(const std::vector<const onnx::ValueInfoProto*>& inputs,
                                                         const ImportOptions& options, Reporter& reporter);

// The declared type when it is a tensor with a fixed shape.
[[nodiscard]] std::optional<TensorType> fixed_type(const onnx::ValueInfoProto& info);

}  // namespace qtool::onnxio
