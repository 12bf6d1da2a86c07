#include "qtool/onnxio/tensor_file.h"

#include <onnx/onnx_pb.h>

#include "protobuf_file.h"
#include "tensor_reader.h"

namespace qtool::onnxio {

NamedTensor read_tensor_proto(const std::filesystem::path& path) {
  return with_file_context(path, [&]() -> NamedTensor {
    onnx::TensorProto proto;
    const std::string_view expected = "a tensor in protobuf form";
    parse_message(read_protobuf_file(path, expected), expected, proto,
                  [](const onnx::TensorProto& t) { return t.has_data_type(); });
    return {proto.name(), TensorReader(path.parent_path()).read(proto)};
  });
}

}  // namespace qtool::onnxio
