#include "qtool/pipeline/run_model.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "qtool/data/npy.h"
#include "qtool/data/npz.h"
#include "qtool/exec/executor.h"
#include "qtool/exporters/encodings_json.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

namespace fs = std::filesystem;
using Named = std::map<std::string, Tensor>;

Tensor read_raw(const fs::path& path, const TensorType& type) {
  const Bytes bytes = read_file(path);
  Tensor tensor(type);
  if (bytes.size() != tensor.size_bytes()) {
    throw Error(ErrorCode::kInvalidData, format("{} bytes, the input {} {} needs {}", bytes.size(), dtype_name(type.dtype),
                                                type.shape.text(), tensor.size_bytes()))
        .with("file", path.string());
  }
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.mutable_raw()));
  return tensor;
}

void read_input(const std::string& text, const std::vector<data::InputSpec>& specs, Named& into) {
  const size_t at = text.find(":=");
  const std::string name = at == std::string::npos ? "" : text.substr(0, at);
  const fs::path path = at == std::string::npos ? text : text.substr(at + 2);
  if (path.extension() == ".npz") {
    for (auto& [key, tensor] : data::read_npz(path)) into[key] = tensor;
    return;
  }
  const auto spec = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return name.empty() ? specs.size() == 1 : s.name == name; });
  if (spec == specs.end()) {
    throw Error(ErrorCode::kUsage, name.empty() ? "the model has several inputs: give each file as name:=path"
                                                : format("the model has no input '{}'", name))
        .with("file", path.string());
  }
  into[spec->name] = path.extension() == ".npy" ? data::read_npy(path) : read_raw(path, spec->type);
}

std::vector<Tensor> gather_inputs(const RunConfig& config, const ir::Graph& graph) {
  const auto specs = input_specs(graph);
  Named given;
  for (const std::string& text : config.inputs) read_input(text, specs, given);
  std::vector<Tensor> inputs;
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : given) keys.push_back(key);
  for (const data::InputSpec& spec : specs) {
    auto found = given.find(spec.name);
    if (found == given.end()) {
      throw Error(ErrorCode::kInvalidData, format("no tensor for the model input '{}'; the given tensors are: {}", spec.name, join(keys, ", ")))
          .with("file", config.inputs.empty() ? "" : config.inputs.front());
    }
    Tensor tensor = found->second;
    if (is_floating(tensor.dtype()) && is_floating(spec.type.dtype)) tensor = tensor.cast(spec.type.dtype);
    if (tensor.shape() != spec.type.shape && tensor.element_count() == spec.type.shape.element_count() &&
        tensor.shape().rank() + 1 == spec.type.shape.rank()) {
      tensor = tensor.reshaped(spec.type.shape);  // a missing batch dimension
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

void write_outputs(const fs::path& path, const data::NamedTensors& tensors) {
  if (path.extension() == ".npz") {
    data::write_npz(path, tensors);
  } else if (path.extension() == ".npy" || path.extension() == ".raw" || path.extension() == ".bin") {
    if (tensors.size() != 1) {
      throw Error(ErrorCode::kUsage, format("{} outputs do not fit one {} file; use .npz or a folder", tensors.size(), path.extension().string()))
          .with("file", path.string());
    }
    const Bytes npy = path.extension() == ".npy" ? data::to_npy(tensors[0].second) : Bytes{};
    write_file_atomically(path, path.extension() == ".npy" ? std::span<const std::byte>(npy) : tensors[0].second.bytes());
  } else {
    OutputSet folder(path);
    for (const auto& [name, tensor] : tensors) {
      std::string file = name;
      std::replace_if(file.begin(), file.end(), [](char c) { return c == '/' || c == '\\' || c == '\0'; }, '_');
      folder.add(file + ".raw", tensor.bytes());
    }
    folder.commit();
  }
}

}  // namespace

RunSummary run_model(const RunConfig& config, Reporter& reporter) {
  LoadedModel model = load_model(with_encodings(config.model, config.encodings), reporter);
  RunSummary summary;
  exec::ExecOptions options{.intra_threads = config.threads};
  if (!model.state.encodings.empty()) options.encodings = &model.state.encodings;
  if (!config.encodings.empty()) {
    const auto applied = exporters::apply_encodings(model.state, ops::builtin_registry(), read_text_file(config.encodings),
                                                    config.encodings.filename().string(), {.removed_names = model.original_tensors});
    for (const std::string& warning : applied.warnings) reporter.warning(warning);
    reporter.info(format("{} of {} encodings of the file applied, {} biases derived", applied.applied, applied.in_file, applied.derived_biases));
    summary.encodings_applied = applied.applied;
    options.encodings = &model.state.encodings;
  }
  std::vector<std::string> names;
  for (const ir::ValueId id : model.state.graph.value_ids()) names.push_back(model.state.graph.value(id).name);
  for (const std::string& name : config.extra_outputs) {
    const ir::ValueId id = model.state.graph.find_value(name);
    if (id == ir::kNoValue) throw Error(ErrorCode::kUsage, format("--output-tensor: the model has no tensor '{}'{}", name, did_you_mean(name, names)));
    if (!model.state.graph.is_output(id)) model.state.graph.outputs.push_back(id);
  }
  const exec::Executor executor(model.state.graph, options);
  for (const std::string& node : executor.summary().reference_nodes) reporter.debug("no fast kernel: " + node);
  exec::Session session = executor.new_session();
  const std::vector<Tensor> inputs = gather_inputs(config, model.state.graph);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Tensor> results = session.run(inputs);
  summary.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  data::NamedTensors named;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& name = model.state.graph.value(model.state.graph.outputs[i]).name;
    named.emplace_back(name, results[i]);
    summary.outputs.emplace_back(name, results[i].type());
  }
  write_outputs(config.outputs, named);
  return summary;
}

}  // namespace qtool::pipeline
