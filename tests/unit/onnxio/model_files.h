// Models written as protobuf text, put into a folder that is removed at the end of the test.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "qtool/onnxio/import.h"
#include "qtool/support/error.h"

namespace qtool::onnxio {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "qtool-onnxio-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw Error(ErrorCode::kIo, "no temporary folder");
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline onnx::ModelProto parse_model(const std::string& text) {
  onnx::ModelProto model;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &model));
  return model;
}

// A model with IR version 8 and opset 17 around the text of a graph.
inline onnx::ModelProto model_of_graph(const std::string& graph) {
  return parse_model("ir_version: 8 opset_import { version: 17 } graph { name: 'g' " + graph + "}");
}

// "input { name: 'x' float tensor type }"; dims like "dim { dim_value: 1 } dim { dim_param: 'N' }".
inline std::string info(const std::string& field, const std::string& name, const std::string& dims, int type = 1) {
  return field + " { name: '" + name + "' type { tensor_type { elem_type: " + std::to_string(type) + " shape { " + dims + " } } } } ";
}
inline std::string fixed(std::initializer_list<int> dims) {
  std::string text;
  for (const int dim : dims) text += "dim { dim_value: " + std::to_string(dim) + " } ";
  return text;
}
inline std::string node(const std::string& op, const std::string& rest) { return "node { op_type: '" + op + "' " + rest + " } "; }

inline ImportedModel import_proto(const onnx::ModelProto& model, const ImportOptions& options = {},
                                  Reporter* reporter = nullptr) {
  const TemporaryFolder folder;
  SilentReporter silent;
  return import_model(folder.write("m.onnx", model.SerializePartialAsString()), options, reporter ? *reporter : silent);
}

// The error that the import throws.
inline Error import_error(const onnx::ModelProto& model, const ImportOptions& options = {}) {
  try {
    (void)import_proto(model, options);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "the import succeeded";
  return {ErrorCode::kInternal, ""};
}

}  // namespace qtool::onnxio
