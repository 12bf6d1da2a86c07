// Cleans up every model of the shared data folder beside the repository and compares its outputs on the stored inputs;
// skipped where the folder is absent. Here because importing is not below the passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "qtool/data/npz.h"
#include "qtool/exec/executor.h"
#include "qtool/onnxio/import.h"
#include "qtool/ops/shape_inference.h"
#include "qtool/passes/cleanup.h"
#include "qtool/support/format.h"

namespace qtool::passes {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = fs::path(QTOOL_SOURCE_DIR) / "../shared/data";

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(kShared / "models", ec)) {
    if (entry.path().extension() == ".onnx") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

data::NamedTensors stored_tensors(const std::string& name) {
  const fs::path path = kShared / "reference" / (name + ".npz");
  return fs::exists(path) ? data::read_npz(path) : data::NamedTensors{};
}

const Tensor* find(const data::NamedTensors& tensors, std::string_view key) {
  for (const auto& [name, tensor] : tensors) {
    if (name == key) return &tensor;
  }
  return nullptr;
}

std::vector<Tensor> model_inputs(const ir::Graph& graph, const data::NamedTensors& stored) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const Tensor* found = find(stored, "in_" + graph.value(id).name);
    if (found == nullptr || found->type() != graph.type_of(id)) {
      ADD_FAILURE() << "no stored input fits " << graph.value(id).name << " " << graph.type_of(id).shape.text();
      return {};
    }
    inputs.push_back(*found);
  }
  return inputs;
}

// `relative` to the range of `expected`, or `absolute`, whichever is more.
struct Tolerance {
  double relative;
  double absolute;
};

void expect_close(const Tensor& expected, const Tensor& found, const Tolerance& tolerance) {
  ASSERT_EQ(expected.shape().text(), found.shape().text());
  const auto a = expected.to_float(), b = found.to_float();
  double low = 0.0, high = 0.0, worst = 0.0;
  for (size_t k = 0; k < a.size(); ++k) {
    low = std::min(low, double{a[k]});
    high = std::max(high, double{a[k]});
    worst = std::max(worst, std::abs(double{a[k]} - double{b[k]}));
  }
  EXPECT_LE(worst, std::max(tolerance.relative * (high - low), tolerance.absolute)) << "range " << low << " .. " << high;
}

class CleanupModels : public ::testing::TestWithParam<std::string> {};

TEST_P(CleanupModels, OutputsStay) {
  const std::string name = GetParam();
  SilentReporter silent;
  onnxio::ImportOptions options;
  const data::NamedTensors stored = stored_tensors(name);
  // The text detector takes pages of any size.
  if (const Tensor* page = find(stored, "in_x")) options.input_shapes[""] = page->shape().dims();
  ir::Graph original = onnxio::import_model(kShared / "models" / (name + ".onnx"), options, silent).graph;
  ops::infer_shapes(original, ops::builtin_registry());
  model::ModelState state;
  state.graph = original;
  std::string counts;
  for (const PassLogEntry& entry : run_cleanup(state, {}, silent)) {
    if (entry.changes > 0) counts += format(" {}={}", entry.pass, entry.changes);
    for (const std::string& note : entry.notes) ADD_FAILURE() << entry.pass << ": " << note;
  }
  RecordProperty("passes", counts);
  std::cout << format("{}: {} -> {} nodes,{}\n", name, original.node_ids().size(), state.graph.node_ids().size(), counts);

  for (const ir::NodeId id : state.graph.node_ids()) EXPECT_NE(state.graph.node(id).op_type, "BatchNormalization");
  std::vector<std::string> names[2];
  for (const ir::ValueId id : original.outputs) names[0].push_back(original.value(id).name);
  for (const ir::ValueId id : state.graph.outputs) names[1].push_back(state.graph.value(id).name);
  EXPECT_EQ(names[0], names[1]);

  const std::vector<Tensor> inputs = model_inputs(original, stored);
  if (HasFailure()) return;
  const exec::ExecOptions two_threads{.intra_threads = 2};
  const auto expected = exec::Executor(original, two_threads).new_session().run(inputs);
  const auto found = exec::Executor(state.graph, two_threads).new_session().run(inputs);
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    SCOPED_TRACE(format("output {}", i));
    expect_close(expected[i], found[i], {.relative = 1e-4, .absolute = 0.0});
    // Another runtime. Some large outputs are stored thinned out. Its sigmoid is exact to 1e-7 absolute only.
    const Tensor* reference = find(stored, format("out_{}", i));
    if (reference == nullptr || !(reference->shape() == found[i].shape())) continue;
    expect_close(*reference, found[i], {.relative = 1e-3, .absolute = 1e-6});
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, CleanupModels, ::testing::ValuesIn(model_names()),
                         [](const auto& info) { return info.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CleanupModels);

}  // namespace
}  // namespace qtool::passes
