#include "narrow_quantizers.h"

#include <gtest/gtest.h>

#include "optimize_fixture.h"

namespace qtool::optimize::testing {
namespace {

struct Network {
  model::ModelState state;
  [[nodiscard]] ir::ValueId id(const std::string& name) const { return state.graph.find_value(name); }
};

// x -> Conv -> MaxPool -> Conv -> y, beside a Conv that shares the weight of the second.
Network network() {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 4, 8, 8});
  const ir::ValueId stem = b.node("Conv", {x, b.random("w1", {4, 4, 3, 3}), b.random("b1", {4})}, "stem", {{"pads", Ints{1, 1, 1, 1}}});
  const ir::ValueId pooled = b.node("MaxPool", {stem}, "pooled", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  const ir::ValueId shared = b.random("w_shared", {4, 4, 1, 1});
  b.output(b.node("Conv", {pooled, shared}, "y1"));
  b.output(b.node("Conv", {pooled, shared}, "y2"));
  b.output(b.node("Conv", {pooled, b.random("w2", {4, 4, 1, 1})}, "y3"));
  Network network{b.build()};
  const MemorySource source(network.state.graph, 2);
  const Quantizer eight_bits = quantizer(dsp());
  eight_bits.plan(network.state);
  eight_bits.encode(network.state, eight_bits.calibrate(network.state, source));
  return network;
}

std::vector<ir::ValueId> leaders(const std::vector<NarrowQuantizer>& quantizers) {
  std::vector<ir::ValueId> ids;
  for (const NarrowQuantizer& quantizer : quantizers) ids.push_back(quantizer.leader);
  return ids;
}

TEST(NarrowQuantizers, ActivationsThatShareAGridAreOne) {
  const Network n = network();
  EXPECT_THAT(leaders(narrow_activations(n.state)), ::testing::UnorderedElementsAre(n.id("x"), n.id("stem"), n.id("y1"), n.id("y2"), n.id("y3")));
}

TEST(NarrowQuantizers, AWeightNamesTheGridThatItsLayerReads) {
  const Network n = network();
  const auto weights = narrow_weights(n.state, {"Conv"});
  ASSERT_THAT(leaders(weights), ::testing::UnorderedElementsAre(n.id("w1"), n.id("w2"))) << "the shared one has two layers to satisfy";
  for (const NarrowQuantizer& weight : weights) EXPECT_EQ(weight.reads, weight.leader == n.id("w1") ? n.id("x") : n.id("stem"));
}

TEST(NarrowQuantizers, OnlyOperatorsThatHaveTheWidth) { EXPECT_TRUE(narrow_weights(network().state, {"Gemm"}).empty()); }

TEST(NarrowQuantizers, WideOnesAreLeftOut) {
  Network n = network();
  n.state.plan.tensors.at(n.id("w1")).spec.bits = 16;
  n.state.plan.tensors.at(n.id("y1")).spec.bits = 16;
  EXPECT_EQ(narrow_weights(n.state, {"Conv"}).size(), 1u);
  EXPECT_EQ(narrow_activations(n.state).size(), 4u);
}

}  // namespace
}  // namespace qtool::optimize::testing
