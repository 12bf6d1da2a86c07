// ONNX file -> ir::Graph. The standard's checker is not run: the file is parsed and what the graph needs is verified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/support/reporter.h"

namespace qtool::onnxio {

// The newest operator set of ai.onnx whose changes this code knows; newer ones are tried, with a warning.
inline constexpr int64_t kNewestKnownOpset = 24;

struct ImportOptions {
  // Input name -> dimensions. The empty name stands for the only input of the model.
  std::map<std::string, std::vector<int64_t>> input_shapes;
  // Value of a dynamic first dimension that input_shapes does not settle.
  int64_t batch = 1;
  // Models of older operator sets are refused: several operators meant something else there.
  int64_t oldest_opset = 6;
  // If nodes whose condition is a constant of the file become the branch that is taken.
  bool inline_constant_ifs = true;
};

struct ImportedModel {
  ir::Graph graph;
  int64_t ir_version = 0;
  std::map<std::string, int64_t> opsets;  // domain ("" is ai.onnx) -> version
  std::string producer_name;
  std::string producer_version;
  std::map<std::string, std::string> metadata;
  size_t file_bytes = 0;  // of the ONNX file itself, without external data
  std::string sha256;     // of the same bytes
};

// Every graph input has a fixed shape afterwards; other tensors have no type yet (see ops/shape_inference.h).
// Initializers and Constant nodes are constants of the graph, local functions are inlined, captured tensors of
// subgraphs are recorded as ir/subgraph.h says.
//
// Throws only Error, with the file as context:
//   kIo            the file, or a file of external data, cannot be read
//   kUsage         a dynamic dimension that input_shapes does not settle; input_shapes that do not fit the model
//   kInvalidModel  not an ONNX file, or one that contradicts itself
//   kUnsupported   valid ONNX that cannot be represented (float8, strings, sequences, opset below oldest_opset, ...)
[[nodiscard]] ImportedModel import_model(const std::filesystem::path& path, const ImportOptions& options,
                                         Reporter& reporter);

// The same for content that is in memory; `path` is named in errors, and external data is looked up in its folder.
[[nodiscard]] ImportedModel import_model_bytes(std::span<const std::byte> content, const std::filesystem::path& path,
                                               const ImportOptions& options, Reporter& reporter);

// "name:1,3,640,640" or "1,3,640,640" (empty name) -> entry of ImportOptions::input_shapes. Throws Error(kUsage).
[[nodiscard]] std::pair<std::string, std::vector<int64_t>> parse_input_shape(std::string_view text);

}  // namespace qtool::onnxio
