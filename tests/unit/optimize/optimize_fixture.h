// Samples from memory and small helpers for tests of stages.
#pragma once

#include <gmock/gmock.h>

#include "channel_flow.h"
#include "qtool/calib/registry.h"
#include "qtool/exec/executor.h"
#include "qtool/optimize/optimize.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "support/graph_builder.h"

namespace qtool::optimize::testing {

using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using qtool::testing::random_tensor;

class MemorySource final : public data::SampleSource {
 public:
  // `count` random samples for the inputs of the graph, values in [low, high].
  MemorySource(const ir::Graph& graph, int count, float low = -2.0f, float high = 2.0f, unsigned seed = 1000) {
    for (int i = 0; i < count; ++i) {
      data::Sample sample;
      for (const ir::ValueId id : graph.inputs) {
        sample[graph.value(id).name] = random_tensor(graph.type_of(id).shape, seed + static_cast<unsigned>(i), low, high);
      }
      samples_.push_back(std::move(sample));
    }
  }
  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  [[nodiscard]] data::Sample load(int64_t index) const override { return samples_[static_cast<size_t>(index)]; }
  [[nodiscard]] std::string name(int64_t index) const override { return "sample " + std::to_string(index); }

 private:
  std::vector<data::Sample> samples_;
};

inline std::vector<float> run(const ir::Graph& graph, const data::SampleSource& source, int64_t index,
                              const model::EncodingTable* encodings = nullptr) {
  std::vector<Tensor> inputs;
  const data::Sample sample = source.load(index);
  for (const ir::ValueId id : graph.inputs) inputs.push_back(sample.at(graph.value(id).name));
  return exec::Executor(graph, {.encodings = encodings}).new_session().run(inputs).at(0).to_float();
}

// Largest |difference| over the largest |value|, all samples.
inline double relative_difference(const ir::Graph& a, const ir::Graph& b, const data::SampleSource& source) {
  double largest = 0.0, difference = 0.0;
  for (int64_t s = 0; s < source.size(); ++s) {
    const auto x = run(a, source, s), y = run(b, source, s);
    EXPECT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(x[i])));
      difference = std::max(difference, std::abs(static_cast<double>(x[i]) - y[i]));
    }
  }
  return difference / largest;
}

// Per-tensor weights, as the profile dsp.
inline model::TargetProfile dsp(int bias_bits = 32) {
  model::TargetProfile profile;
  profile.name = "dsp";
  profile.bias_bits = bias_bits;
  profile.fused_groups = {{"Conv", "Relu"}, {"Conv", "Clip"}};
  profile.same_encoding_ops = {"MaxPool", "Flatten", "Reshape"};
  return profile;
}

inline Quantizer quantizer(const model::TargetProfile& profile, int threads = 2) {
  return {.plan = [profile](model::ModelState& state) { passes::plan_quantization(state, profile, ops::builtin_registry()); },
          .calibrate = [threads](const model::ModelState& state, const data::SampleSource& source) {
            SilentReporter reporter;
            return calib::calibrate(state.graph, passes::observed_values(state), source, {.threads = threads}, reporter);
          },
          .encode = [](model::ModelState& state, const calib::CalibrationResult& seen) {
            state.encodings.clear();
            const calib::Method& minmax = calib::builtin_registry().at("min-max");
            (void)passes::compute_encodings(state, seen.statistics, minmax, minmax);
          }};
}

// A weight [M, C, k, k] whose output channel c is `spread`^(c mod 5) times larger or smaller than the first.
inline Tensor uneven_weight(Shape shape, unsigned seed, double spread) {
  Tensor weight = random_tensor(std::move(shape), seed, -1.0f, 1.0f);
  const int64_t inner = weight.element_count() / weight.shape()[0];
  auto values = weight.mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] *= static_cast<float>(std::pow(spread, static_cast<double>(static_cast<int64_t>(i) / inner % 5) - 2.0));
  return weight;
}

}  // namespace qtool::optimize::testing
