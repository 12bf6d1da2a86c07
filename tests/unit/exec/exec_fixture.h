// Compares the executor with the interpreter, which knows no layouts, fusion or shared memory.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "qtool/exec/executor.h"
#include "qtool/ops/interpreter.h"
#include "qtool/quant/quantize.h"
#include "support/graph_builder.h"

namespace qtool::exec::testing {

using qtool::testing::Attributes;
using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using qtool::testing::ints;
using qtool::testing::random_tensor;

// Error of fast kernels against the reference: float32 sums of a few hundred terms in another order.
inline constexpr double kRelativeToMax = 1e-5;

inline std::vector<Tensor> random_inputs(const ir::Graph& graph, unsigned seed, float low = -2.0f, float high = 2.0f) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const TensorType& type = graph.type_of(id);
    inputs.push_back(random_tensor(type.shape, seed * 7919 + static_cast<unsigned>(inputs.size()), low, high).cast(type.dtype));
  }
  return inputs;
}

inline void expect_close(const Tensor& expected, const Tensor& found, const std::string& what,
                         double tolerance = kRelativeToMax) {
  ASSERT_EQ(expected.dtype(), found.dtype()) << what;
  ASSERT_EQ(expected.shape(), found.shape()) << what;
  const auto a = expected.to_float(), b = found.to_float();
  double largest = 0.0, worst = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::isnan(a[i]), std::isnan(b[i])) << what << " element " << i;
    if (a[i] == b[i] || std::isnan(a[i])) continue;  // equal infinities included
    largest = std::max(largest, std::abs(double{a[i]}));
    worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
  }
  for (const float value : a) largest = std::isfinite(value) ? std::max(largest, std::abs(double{value})) : largest;
  EXPECT_LE(worst, tolerance * std::max(largest, 1e-6)) << what;
}

inline Tensor to_tensor(const PhysicalView& view) {
  Tensor tensor(DType::kFloat32, view.shape);
  copy_to_plain(view, tensor.mutable_data<float>().data());
  return tensor;
}

struct Observation {
  std::vector<Tensor> outputs;
  std::map<ir::ValueId, Tensor> taps;
};

inline Observation run_observed(Session& session, const std::vector<Tensor>& inputs) {
  Observation seen;
  seen.outputs = session.run(inputs, [&](ir::ValueId id, const PhysicalView& view) {
    EXPECT_TRUE(seen.taps.emplace(id, to_tensor(view)).second) << "tapped twice";
  });
  return seen;
}

// Every value by the interpreter.
inline std::map<ir::ValueId, Tensor> interpret_all(const ir::Graph& graph, const std::vector<Tensor>& inputs) {
  std::map<ir::ValueId, Tensor> values;
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs[i]] = inputs[i];
  (void)ops::interpret(graph, ops::builtin_registry(), inputs, [&](const ir::Node& node, std::span<const Tensor> outputs) {
    for (size_t i = 0; i < node.outputs.size() && i < outputs.size(); ++i) {
      if (node.outputs[i] != ir::kNoValue) values[node.outputs[i]] = outputs[i].clone();
    }
  });
  return values;
}

// Outputs and observed values equal the interpreter's; a second run with other inputs too, so that nothing stale is
// left in the arena.
inline PlanSummary expect_as_interpreted(const ir::Graph& graph, std::vector<ir::ValueId> observed = {}, unsigned seed = 1,
                                         double tolerance = kRelativeToMax) {
  const Executor executor(graph, {.observed = observed});
  Session session = executor.new_session();
  for (const unsigned round : {0u, 1u}) {
    const auto inputs = random_inputs(graph, seed + round);
    const auto expected = interpret_all(graph, inputs);
    const Observation seen = run_observed(session, inputs);
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const ir::ValueId id = graph.outputs[i];
      const Tensor& want = graph.is_constant(id) ? *graph.constant(id) : expected.at(id);
      expect_close(want, seen.outputs[i], "output " + graph.value(id).name, tolerance);
    }
    for (const ir::ValueId id : observed) {
      const auto found = seen.taps.find(id);
      if (found == seen.taps.end()) {
        ADD_FAILURE() << "no tap for " << graph.value(id).name;
        continue;
      }
      expect_close(expected.at(id), found->second, "tap of " + graph.value(id).name, tolerance);
    }
    EXPECT_EQ(observed.size(), seen.taps.size());
  }
  return executor.summary();
}

inline PlanSummary expect_as_interpreted(GraphBuilder& builder, std::vector<ir::ValueId> observed = {}, unsigned seed = 1) {
  return expect_as_interpreted(builder.build().graph, std::move(observed), seed);
}

// Conv 3x3 whose outputs stay near unit size.
inline ir::ValueId conv(GraphBuilder& b, ir::ValueId x, int64_t in_channels, int64_t out_channels, const std::string& output,
                        int64_t kernel = 3) {
  const auto bound = static_cast<float>(1.5 / std::sqrt(static_cast<double>(in_channels * kernel * kernel)));
  return b.node("Conv",
                {x, b.random(output + ".w", {out_channels, in_channels, kernel, kernel}, -bound, bound),
                 b.random(output + ".b", {out_channels}, -0.5f, 0.5f)},
                output, {{"pads", Ints{kernel / 2, kernel / 2, kernel / 2, kernel / 2}}});
}

}  // namespace qtool::exec::testing
