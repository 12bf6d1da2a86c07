#include "case_runner.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "qtool/onnxio/import.h"
#include "qtool/onnxio/tensor_file.h"
#include "qtool/ops/interpreter.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::conformance {
namespace fs = std::filesystem;

namespace {

// Tolerances of the standard's own test runner (onnx/backend/test/case/test_case.py).
constexpr double kRelativeTolerance = 1e-3;
constexpr double kAbsoluteTolerance = 1e-7;
// Two units in the last place: 1e-3 is less than one of them. The standard's runner takes the first for every bfloat16
// output; the second is ours, for float16 results of several nodes, which round after each.
constexpr double kBFloat16Tolerance = 0x1p-6;
constexpr double kFloat16ChainTolerance = 0x1p-9;

// Cases whose expected output is not what the standard says.
const char* known_data_error(const std::string& name) {
  // The generator cut the lower 16 bits off; the standard rounds to nearest even (Cast, table of rounding rules).
  constexpr const char* kTruncated = "expected data are wrong: bfloat16 truncated instead of rounded";
  const bool to_bfloat16 = name == "test_cast_FLOAT_to_BFLOAT16" || name == "test_castlike_FLOAT_to_BFLOAT16" ||
                           name == "test_castlike_FLOAT_to_BFLOAT16_expanded";
  return to_bfloat16 ? kTruncated : nullptr;
}

// Ends a case early.
struct Outcome {
  Verdict verdict;
  std::string reason;
  std::string key;
};

[[noreturn]] void not_claimed(const std::string& key, const std::string& reason) {
  throw Outcome{Verdict::kNotClaimed, reason, key};
}
[[noreturn]] void failed(const std::string& reason) { throw Outcome{Verdict::kFailed, reason, ""}; }

struct DataSet {
  std::vector<onnxio::NamedTensor> inputs;
  std::vector<fs::path> outputs;
};

std::vector<fs::path> numbered_files(const fs::path& folder, const std::string& stem) {
  std::vector<fs::path> files;
  for (int i = 0;; ++i) {
    fs::path path = folder / format("{}_{}.pb", stem, i);
    if (!fs::exists(path)) return files;
    files.push_back(std::move(path));
  }
}

onnxio::NamedTensor read_data(const fs::path& path) {
  try {
    return onnxio::read_tensor_proto(path);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported) not_claimed("type of the data", format("data: {}", error.message()));
    failed(format("cannot read {}: {}", path.filename().string(), error.message()));
  }
}

onnxio::ImportedModel import_case(const fs::path& path, const std::vector<onnxio::NamedTensor>* inputs) {
  // The tool refuses whole models of operator sets below 7; here every operator is asked for its own oldest version.
  onnxio::ImportOptions options{.oldest_opset = 1};
  for (size_t i = 0; inputs != nullptr && i < inputs->size(); ++i) {
    options.input_shapes[(*inputs)[i].name] = (*inputs)[i].tensor.shape().dims();
  }
  SilentReporter silent;
  return onnxio::import_model(path, options, silent);
}

void check_claimed(const ir::Graph& graph, const ops::Registry& registry) {
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* body = std::get_if<std::shared_ptr<ir::Graph>>(&attribute); body && *body) check_claimed(**body, registry);
    }
    if (ops::is_interpreted_control_flow(node)) continue;
    const ops::OpDef* def = registry.find(node.domain, node.op_type);
    const std::string full_name = node.domain.empty() ? node.op_type : format("{}.{}", node.domain, node.op_type);
    if (def == nullptr) not_claimed(format("{} is not an operator of this tool", full_name), format("no operator {}", full_name));
    if (node.opset < def->first_opset) {
      not_claimed("older operator version", format("{} of opset {}, oldest is {}", full_name, node.opset, def->first_opset));
    }
    if (!def->evaluate) not_claimed(format("{} has no reference kernel", full_name), format("{} has no kernel", full_name));
  }
}

bool has_control_flow(const ir::Graph& graph) {
  const auto ids = graph.node_ids();
  return std::any_of(ids.begin(), ids.end(), [&](ir::NodeId id) { return ops::is_interpreted_control_flow(graph.node(id)); });
}

std::string describe(const TensorType& type) { return format("{} {}", dtype_name(type.dtype), type.shape.text()); }

double relative_tolerance(DType dtype, bool several_nodes) {
  if (dtype == DType::kBFloat16) return kBFloat16Tolerance;
  return dtype == DType::kFloat16 && several_nodes ? kFloat16ChainTolerance : kRelativeTolerance;
}

// Empty when the tensors agree.
std::string difference(const Tensor& found, const Tensor& expected, bool several_nodes) {
  if (found.type() != expected.type()) {
    return format("is {}, expected {}", describe(found.type()), describe(expected.type()));
  }
  if (!is_floating(expected.dtype())) {
    if (found.identical(expected)) return "";
    const auto f = found.to_int64(), e = expected.to_int64();
    const auto at = static_cast<size_t>(std::mismatch(f.begin(), f.end(), e.begin()).first - f.begin());
    return at < f.size() ? format("element {} is {}, expected {}", at, f[at], e[at]) : "differs in its bytes";
  }
  const Tensor wide_found = found.cast(DType::kFloat64), wide_expected = expected.cast(DType::kFloat64);
  const auto f = wide_found.data<double>(), e = wide_expected.data<double>();
  const double relative = relative_tolerance(found.dtype(), several_nodes);
  for (size_t i = 0; i < f.size(); ++i) {
    if (std::isnan(f[i]) && std::isnan(e[i])) continue;
    if (f[i] == e[i]) continue;  // equal infinities
    if (!(std::abs(f[i] - e[i]) <= kAbsoluteTolerance + relative * std::abs(e[i]))) {
      return format("element {} is {}, expected {}", i, f[i], e[i]);
    }
  }
  return "";
}

// The package stores bfloat16 data as uint16 (numpy has no such type): the bits are right, the type is not.
Tensor with_true_type(const Tensor& data, const std::optional<TensorType>& wanted) {
  if (!wanted || wanted->dtype != DType::kBFloat16 || data.dtype() != DType::kUInt16) return data;
  Tensor result(DType::kBFloat16, data.shape());
  std::copy(data.bytes().begin(), data.bytes().end(), static_cast<std::byte*>(result.mutable_raw()));
  return result;
}

// Runs the graph; the type of every tensor that shape inference settled must be what the kernels return.
std::vector<Tensor> run_checked(const ir::Graph& graph, const ops::Registry& registry, const std::vector<Tensor>& inputs) {
  const auto check_types = [&](const ir::Node& node, std::span<const Tensor> results) {
    const auto index = static_cast<size_t>(node.id);
    if (index >= graph.node_capacity() || &graph.node(node.id) != &node) return;  // a node of a subgraph
    for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      if (node.outputs[i] == ir::kNoValue) continue;
      const auto& inferred = graph.value(node.outputs[i]).type;
      if (inferred && *inferred != results[i].type()) {
        failed(format("output {} of {}: the shape rule says {}, the kernel returns {}", i, node.text(), describe(*inferred),
                      describe(results[i].type())));
      }
    }
  };
  return ops::interpret(graph, registry, inputs, check_types);
}

void run_data_set(const fs::path& model_path, const fs::path& data_folder) {
  DataSet data;
  const ops::Registry& registry = ops::builtin_registry();
  std::optional<onnxio::ImportedModel> model;
  bool needs_shapes = false;
  try {
    model = import_case(model_path, nullptr);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported) not_claimed(error.message(), error.message());
    if (error.code() != ErrorCode::kUsage) failed(format("import: {}", error.what()));
    needs_shapes = true;  // the shapes of the data settle what the model leaves open
  }
  if (model) check_claimed(model->graph, registry);
  for (const fs::path& path : numbered_files(data_folder, "input")) data.inputs.push_back(read_data(path));
  data.outputs = numbered_files(data_folder, "output");
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    const bool known = model && i < model->graph.inputs.size();
    inputs.push_back(with_true_type(data.inputs[i].tensor, known ? model->graph.value(model->graph.inputs[i]).type : std::nullopt));
  }

  const auto shapes_differ = [&] {
    for (size_t i = 0; i < inputs.size() && i < model->graph.inputs.size(); ++i) {
      if (model->graph.value(model->graph.inputs[i]).type != inputs[i].type()) return true;
    }
    return false;
  };
  bool data_fit = true;
  if (needs_shapes || shapes_differ()) {
    try {
      model = import_case(model_path, &data.inputs);
    } catch (const Error&) {
      // A few cases come with data of another shape than the model declares; their kernels can be run all the same.
      if (!model) throw;
      data_fit = false;
    }
    check_claimed(model->graph, registry);
  }

  const bool several_nodes = model->graph.node_ids().size() > 1;
  const bool infer = data_fit && !has_control_flow(model->graph);
  ir::Graph plain = model->graph;
  if (infer) ops::infer_shapes(plain, registry, {.fold_constants = false});
  const std::vector<Tensor> outputs = run_checked(plain, registry, inputs);
  if (outputs.size() < data.outputs.size()) failed(format("{} outputs, expected {}", outputs.size(), data.outputs.size()));
  std::vector<Tensor> expected;
  for (const fs::path& path : data.outputs) {
    const Tensor& found = outputs[expected.size()];
    expected.push_back(with_true_type(read_data(path).tensor, found.type()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string problem = difference(outputs[i], expected[i], several_nodes);
    if (!problem.empty()) failed(format("output {} {}", i, problem));
  }
  if (!infer) return;
  ir::Graph folded = model->graph;
  ops::infer_shapes(folded, registry);
  const std::vector<Tensor> folded_outputs = run_checked(folded, registry, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string problem = difference(folded_outputs[i], expected[i], several_nodes);
    if (!problem.empty()) failed(format("after folding: output {} {}", i, problem));
  }
}

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_")) sets.push_back(entry.path());
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

}  // namespace

std::vector<fs::path> find_cases(const fs::path& folder) {
  if (fs::exists(folder / "model.onnx")) return {folder};
  std::vector<fs::path> cases;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  }
  if (ec) throw Error(ErrorCode::kIo, format("cannot list the folder: {}", ec.message())).with("file", folder.string());
  std::sort(cases.begin(), cases.end());
  return cases;
}

CaseResult run_case(const fs::path& folder) {
  CaseResult result{.group = folder.parent_path().filename().string(), .name = folder.filename().string()};
  try {
    if (const char* problem = known_data_error(result.name)) not_claimed(problem, problem);
    const auto sets = data_sets(folder);
    if (sets.empty()) not_claimed("no test data", "no test data");
    for (const fs::path& set : sets) run_data_set(folder / "model.onnx", set);
  } catch (const Outcome& outcome) {
    result.verdict = outcome.verdict;
    result.reason = outcome.reason;
    result.reason_key = outcome.key;
  } catch (const Error& error) {
    // An operator may refuse a variant; it says so, and the case is counted apart from the passed ones.
    result.verdict = error.code() == ErrorCode::kUnsupported ? Verdict::kNotClaimed : Verdict::kFailed;
    result.reason = error.what();
    result.reason_key = format("refused: {}", error.message());
  } catch (const std::exception& error) {
    result.verdict = Verdict::kFailed;
    result.reason = format("unexpected exception: {}", error.what());
  }
  return result;
}

}  // namespace qtool::conformance
