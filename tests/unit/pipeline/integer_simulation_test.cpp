// Every model of the shared data folder, quantized by both profiles and simulated twice on its stored input: on 8-bit
// integers and with integers carried in floats. Every value of every tensor on a grid must be the same to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "qtool/data/npz.h"
#include "qtool/exec/executor.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/support/format.h"
#include "support/shared_data.h"

namespace qtool::pipeline {
namespace {

namespace fs = std::filesystem;
using exec::ExecOptions;
using exec::Executor;

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(testing::shared_data() / "models", ec)) {
    if (entry.path().extension() == ".onnx") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Prepared {
  model::ModelState state;
  std::vector<Tensor> inputs;
};

Prepared load_with_stored_input(const std::string& name, Reporter& reporter) {
  Prepared prepared;
  ModelOptions options{.path = testing::shared_data() / "models" / (name + ".onnx")};
  for (const auto& [key, tensor] : data::read_npz(testing::shared_data() / "reference" / (name + ".npz"))) {
    if (!key.starts_with("in_")) continue;
    options.input_shapes.push_back(format("{}:{}", key.substr(3), join(tensor.shape().dims(), ",")));
    prepared.inputs.push_back(tensor);
  }
  prepared.state = load_model(options, reporter).state;
  return prepared;
}

void quantize_on_stored_input(Prepared& prepared, const std::string& profile_name) {
  model::TargetProfile profile = load_profile(profile_name);
  if (profile.per_channel) profile.bias_bits = 32;
  passes::plan_quantization(prepared.state, profile, ops::builtin_registry());
  std::map<ir::ValueId, calib::TensorStatistics> statistics;
  const Executor executor(prepared.state.graph, {.observed = passes::observed_values(prepared.state)});
  (void)executor.new_session().run(prepared.inputs, [&](ir::ValueId id, const exec::PhysicalView& view) {
    exec::for_each_span(view, [&](std::span<const float> values) {
      if (values.empty()) return;
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      calib::TensorStatistics part{.range = {*low, *high}, .count = static_cast<int64_t>(values.size())};
      statistics[id].empty() ? void(statistics[id] = part) : statistics[id].merge(part);
    });
  });
  const calib::Method& min_max = calib::builtin_registry().at("min-max");
  (void)passes::compute_encodings(prepared.state, statistics, min_max, min_max);
}

using Values = std::map<ir::ValueId, std::vector<float>>;

// Values by tap; outputs under the ids of the graph outputs.
Values simulate(const Prepared& prepared, const std::vector<ir::ValueId>& observed, exec::IntegerKernels kernels, size_t* steps) {
  const Executor executor(prepared.state.graph,
                          {.observed = observed, .encodings = &prepared.state.encodings, .integer_kernels = kernels});
  if (steps != nullptr) *steps = executor.summary().integer_steps;
  Values values;
  const auto outputs = executor.new_session().run(prepared.inputs, [&](ir::ValueId id, const exec::PhysicalView& view) {
    values[id].resize(static_cast<size_t>(view.shape.element_count()));
    exec::copy_to_plain(view, values[id].data());
  });
  for (size_t i = 0; i < outputs.size(); ++i) values[prepared.state.graph.outputs[i]] = outputs[i].to_float();
  return values;
}

void expect_equal(const Prepared& prepared, const Values& expected, const Values& found) {
  ASSERT_EQ(expected.size(), found.size());
  for (const auto& [id, values] : expected) {
    const std::vector<float>& other = found.at(id);
    ASSERT_EQ(values.size(), other.size());
    const auto same = [](float a, float b) { return a == b || (a != a && b != b); };
    const auto [at, there] = std::mismatch(values.begin(), values.end(), other.begin(), same);
    if (at != values.end()) {
      ADD_FAILURE() << prepared.state.graph.value(id).name << " element " << at - values.begin() << ": carried in floats " << *at
                    << ", on integers " << *there;
    }
  }
}

class IntegerSimulation : public ::testing::TestWithParam<std::string> {};

TEST_P(IntegerSimulation, EqualsTheSimulationInFloats) {
  QTOOL_NEEDS_SHARED_DATA();
  SilentReporter reporter;
  for (const char* profile : {"htp", "dsp"}) {
    SCOPED_TRACE(profile);
    Prepared prepared = load_with_stored_input(GetParam(), reporter);
    quantize_on_stored_input(prepared, profile);
    std::vector<ir::ValueId> observed;
    for (const auto& [id, entry] : prepared.state.encodings) {
      if (!prepared.state.graph.is_constant(id)) observed.push_back(id);
    }
    size_t fused_steps = 0;
    const Values expected = simulate(prepared, observed, exec::IntegerKernels::kOff, nullptr);
    expect_equal(prepared, expected, simulate(prepared, observed, exec::IntegerKernels::kAuto, nullptr));
    Values outputs;  // with nothing observed more operators become one step
    for (const ir::ValueId id : prepared.state.graph.outputs) outputs[id] = expected.at(id);
    expect_equal(prepared, outputs, simulate(prepared, {}, exec::IntegerKernels::kAuto, &fused_steps));
    std::cout << profile << ": " << observed.size() << " tensors, " << fused_steps << " steps on 8-bit integers\n";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, IntegerSimulation, ::testing::ValuesIn(model_names()),
                         [](const auto& info) { return info.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(IntegerSimulation);

}  // namespace
}  // namespace qtool::pipeline
