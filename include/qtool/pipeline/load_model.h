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
#include "qtool/passes/unroll_recurrent.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

enum class UnrollRecurrent : uint8_t { kAuto, kOn, kOff };
// "auto", "on", "off"; throws Error(kUsage).
[[nodiscard]] UnrollRecurrent parse_unroll_recurrent(const std::string& text);

struct ModelOptions {
  std::filesystem::path path;
  std::vector<std::string> input_shapes;  // "name:1,3,640,640" or "1,3,640,640"
  std::vector<std::string> split_outputs = {};  // outputs given out in parts (passes/split_outputs.h)
  std::string unroll_recurrent = "auto";  // RNN, GRU, LSTM step by step: on, off; auto: where one of the next two asks for it
  bool for_container = false;             // the graph is to be written as DLC
  std::filesystem::path encodings = {};   // file that will be applied: it may name tensors of steps
  bool clean_up = true;                   // fold batch norm, remove identities, recognise patterns
};

struct LoadedModel {
  model::ModelState state;
  std::string sha256;                     // of the ONNX file itself
  size_t file_bytes = 0;
  int64_t opset = 0;
  std::vector<std::string> clean_up;      // "fold_batch_norm: 27"
  passes::UnrollOutcome unrolled;         // recurrent nodes that became operators of their steps
  std::optional<std::string> quantized;   // what the file held: "QDQ (57 QuantizeLinear, ...)"; nullopt for float
  std::set<std::string> original_tensors; // names before clean-up, which removes some
};

// Throws Error naming the file; unsupported operators are listed all at once.
[[nodiscard]] LoadedModel load_model(const ModelOptions& options, Reporter& reporter);

// `options` with the encodings file that the model is loaded for; may be empty.
[[nodiscard]] ModelOptions with_encodings(ModelOptions options, const std::filesystem::path& file);

// Name and type of every graph input.
[[nodiscard]] std::vector<data::InputSpec> input_specs(const ir::Graph& graph);

}  // namespace qtool::pipeline
