#include "quantizer_noise.h"

#include <gtest/gtest.h>

#include <numeric>

#include "narrow_quantizers.h"
#include "optimize_fixture.h"
#include "qtool/optimize/noise_probe.h"
#include "tensor_traits.h"

namespace qtool::optimize::testing {
namespace {

constexpr int64_t kSamples = 7;

// Two convolutions with SiLU; the second sigmoid gates another value and stays what it is.
model::ModelState network() {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 3, 8, 8});
  const ir::ValueId c1 = b.node("Conv", {x, b.random("w1", {16, 3, 3, 3}), b.random("b1", {16})}, "c1", {{"pads", Ints{1, 1, 1, 1}}});
  const ir::ValueId act = b.node("Mul", {c1, b.node("Sigmoid", {c1}, "own")}, "act");
  const ir::ValueId c2 = b.node("Conv", {act, b.random("w2", {16, 16, 1, 1})}, "c2");
  b.output(b.node("Mul", {act, b.node("Sigmoid", {c2}, "foreign")}, "y"));
  model::ModelState state = b.build();
  const MemorySource source(state.graph, 2);
  const Quantizer eight_bits = quantizer(dsp());
  eight_bits.plan(state);
  eight_bits.encode(state, eight_bits.calibrate(state, source));
  return state;
}

std::vector<NarrowQuantizer> measured(const model::ModelState& state, int threads) {
  std::vector<NarrowQuantizer> quantizers = narrow_activations(state);
  for (NarrowQuantizer& weight : narrow_weights(state, {"Conv"})) quantizers.push_back(std::move(weight));
  measure_noise(state, quantizers, MemorySource(state.graph, kSamples), kSamples, threads);
  return quantizers;
}

double share(const OutputNoise& noise) { return noise.noise.at(0) / noise.signal.at(0); }

TEST(QuantizerNoise, AGateIsASigmoidTimesItsOwnInput) {
  const ir::Graph graph = network().graph;
  EXPECT_TRUE(is_own_gate(graph, graph.find_value("own")));
  EXPECT_FALSE(is_own_gate(graph, graph.find_value("foreign")));
  EXPECT_FALSE(is_own_gate(graph, graph.find_value("act")));
}

TEST(QuantizerNoise, EqualsOneProbeOfAllWhereItMatters) {
  const model::ModelState state = network();
  const MemorySource source(state.graph, kSamples);
  std::vector<int64_t> samples(kSamples);
  std::iota(samples.begin(), samples.end(), int64_t{0});
  size_t complete = 0;
  for (const NarrowQuantizer& quantizer : measured(state, 2)) {
    Variant variant{.rounded = quantizer.members};
    std::vector<ir::ValueId> changeable;
    if (!quantizer.is_weight()) {
      variant = {quantizer.members, onto_grid(*model::find_encoding(state.encodings, quantizer.leader))};
      changeable = quantizer.members;
    }
    NoiseProbe probe(state.graph, changeable, source, 1, &state.encodings);
    const OutputNoise expected = probe.run({&variant, 1}, samples).at(0);
    const bool all_samples = std::abs(quantizer.noise.signal.at(0) / expected.signal.at(0) - 1.0) < 1e-6;
    complete += all_samples;
    EXPECT_NEAR(share(quantizer.noise) / share(expected), 1.0, all_samples ? 1e-3 : 0.5) << state.graph.value(quantizer.leader).name;
  }
  EXPECT_GE(complete, 4u);
}

TEST(QuantizerNoise, DoesNotDependOnThreads) {
  const model::ModelState state = network();
  const auto one = measured(state, 1), many = measured(state, 5);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].noise.noise, many[i].noise.noise);
}

}  // namespace
}  // namespace qtool::optimize::testing
