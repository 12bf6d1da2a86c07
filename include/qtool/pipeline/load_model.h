// An ONNX file as everything after it wants it: imported, supported, shapes settled, constants folded, cleaned up. A
// model that is quantized already arrives as a float graph with encodings in state.encodings.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct ModelOptions {
  std::filesystem::path path;
  std::vector<std::string> input_shapes;  // "name:1,3,640,640" or "1,3,640,640"
  std::vector<std::string> split_outputs = {};  // outputs given out in parts (passes/split_outputs.h)
  bool clean_up = true;                   // fold batch norm, remove identities, recognise patterns
};

struct LoadedModel {
  model::ModelState state;
  std::string sha256;                     // of the ONNX file itself
  size_t file_bytes = 0;
  int64_t opset = 0;
  std::vector<std::string> clean_up;      // "fold_batch_norm: 27"
  std::optional<std::string> quantized;   // what the file held: "QDQ (57 QuantizeLinear, ...)"; nullopt for float
  std::set<std::string> original_tensors; // names before clean-up, which removes some
};

// Throws Error naming the file; unsupported operators are listed all at once.
[[nodiscard]] LoadedModel load_model(const ModelOptions& options, Reporter& reporter);

// Name and type of every graph input.
[[nodiscard]] std::vector<data::InputSpec> input_specs(const ir::Graph& graph);

}  // namespace qtool::pipeline
