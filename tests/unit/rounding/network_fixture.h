// A small network with a residual branch, depthwise and strided convolutions, a pooling and a matrix, and samples for it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>

#include "qtool/data/sample_source.h"
#include "qtool/exec/executor.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"
#include "support/graph_builder.h"

namespace qtool::rounding {

using testing::GraphBuilder;
using testing::Ints;
using testing::random_tensor;

class MemorySource final : public data::SampleSource {
 public:
  explicit MemorySource(int64_t count) : count_(count) {}
  int64_t size() const override { return count_; }
  data::Sample load(int64_t index) const override {
    ++loads_;
    return {{"x", random_tensor({1, 3, 8, 8}, 50 + static_cast<unsigned>(index), -1.0f, 1.0f)}};
  }
  std::string name(int64_t index) const override { return format("sample-{}", index); }
  int loads() const { return loads_; }

 private:
  int64_t count_;
  mutable std::atomic<int> loads_ = 0;
};

inline void encode(model::ModelState& state, const std::string& name, const quant::QuantSpec& spec, quant::Range range) {
  state.encodings[state.graph.find_value(name)].encoding = quant::encoding_from_ranges(spec, {&range, 1});
}

inline void encode_weight(model::ModelState& state, const std::string& name, int bits) {
  const ir::ValueId id = state.graph.find_value(name);
  const quant::QuantSpec spec{.bits = bits, .symmetry = quant::Symmetry::kSymmetric};
  state.encodings[id].encoding = quant::encoding_from_ranges(spec, quant::tensor_ranges(*state.graph.constant(id), -1));
}

inline model::ModelState network(int bits = 4) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto c1 = b.node("Conv", {x, b.random("w1", {8, 3, 3, 3}, -0.5f, 0.5f), b.random("b1", {8}, -0.2f, 0.2f)}, "c1", {{"pads", Ints{1, 1, 1, 1}}});
  const auto r1 = b.node("Relu", {c1}, "r1");
  const auto c2 = b.node("Conv", {r1, b.random("w2", {8, 1, 3, 3}, -0.5f, 0.5f), b.random("b2", {8}, -0.2f, 0.2f)}, "c2",
                         {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{8}}});
  const auto r2 = b.node("Relu", {c2}, "r2");
  const auto c3 = b.node("Conv", {r2, b.random("w3", {8, 8, 1, 1}, -0.5f, 0.5f), b.random("b3", {8}, -0.2f, 0.2f)}, "c3");
  const auto sum = b.node("Add", {c3, r1}, "sum");
  const auto pool = b.node("GlobalAveragePool", {sum}, "pool");
  const auto flat = b.node("Flatten", {pool}, "flat");
  b.output(b.node("Gemm", {flat, b.random("w4", {8, 5}), b.random("b4", {5})}, "y"));
  model::ModelState state = b.build();
  const quant::QuantSpec activation{.bits = 8};
  encode(state, "x", activation, {-1.0, 1.0});
  for (const char* name : {"r1", "r2", "c3", "sum", "pool", "flat", "y"}) encode(state, name, activation, {-4.0, 4.0});
  for (const char* name : {"w1", "w2", "w3", "w4"}) encode_weight(state, name, bits);
  return state;
}

inline double output_error(const model::ModelState& rounded, const model::ModelState& original) {
  const exec::Executor simulated(rounded.graph, {.encodings = &rounded.encodings}), real(original.graph, {});
  auto a = simulated.new_session();
  auto b = real.new_session();
  double total = 0.0;
  for (unsigned i = 0; i < 20; ++i) {
    const std::vector<Tensor> inputs = {random_tensor({1, 3, 8, 8}, 900 + i, -1.0f, 1.0f)};
    const std::vector<float> ya = a.run(inputs)[0].to_float(), yb = b.run(inputs)[0].to_float();
    for (size_t k = 0; k < ya.size(); ++k) total += static_cast<double>((ya[k] - yb[k]) * (ya[k] - yb[k]));
  }
  return total;
}

inline std::vector<Tensor> parameters(const model::ModelState& state) {
  std::vector<Tensor> tensors;
  for (const ir::ValueId id : state.graph.value_ids()) {
    if (state.graph.is_constant(id)) tensors.push_back(*state.graph.constant(id));
  }
  return tensors;
}

inline void expect_equal(const model::ModelState& a, const model::ModelState& b) {
  const auto left = parameters(a), right = parameters(b);
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(left[i].identical(right[i])) << i;
}

}  // namespace qtool::rounding
