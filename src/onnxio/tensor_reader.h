// TensorProto -> Tensor, whatever storage field or external file holds the elements.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <string>

#include "qtool/tensor/tensor.h"

namespace qtool::onnxio {

class TensorReader {
 public:
  // `folder`: where external data may lie; files outside of it are refused.
  explicit TensorReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Throws Error with the tensor (and the file of external data) as context.
  [[nodiscard]] Tensor read(const onnx::TensorProto& proto) const;
  [[nodiscard]] Tensor read_sparse(const onnx::SparseTensorProto& proto) const;

 private:
  [[nodiscard]] Tensor read_unchecked(const onnx::TensorProto& proto) const;
  void read_external(const onnx::TensorProto& proto, std::string& content, int64_t size_bytes) const;

  std::filesystem::path folder_;
};

}  // namespace qtool::onnxio
