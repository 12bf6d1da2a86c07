#include "settle.h"

#include <gtest/gtest.h>

#include "network_fixture.h"

namespace qtool::rounding {
namespace {

SilentReporter silent;

SettledBiases settled(const model::ModelState& state, int threads = 1, int64_t samples = 32) {
  const MemorySource source(samples);
  const ImageOrder order = random_order(0, samples);
  return settle_biases(state.graph, state, find_layers(state).sites, source, order, {.threads = threads}, silent);
}

// Every second pixel of the first layer is clipped, which lowers the mean of all that follows.
model::ModelState clipped_network() {
  model::ModelState state = network(8);
  encode(state, "r1", {.bits = 8}, {0.0, 0.3});
  return state;
}

TEST(SettleBiases, MeansLostByClippingComeBack) {
  const model::ModelState clipped = clipped_network();
  const SettledBiases result = settled(clipped);
  EXPECT_GE(result.layers, 2u);
  EXPECT_LT(output_error(result.state, clipped), 0.5 * output_error(clipped, clipped));
}

TEST(SettleBiases, WeightsAndActivationsStayAndOnlyBiasesMove) {
  const model::ModelState clipped = clipped_network();
  const SettledBiases result = settled(clipped);
  for (const ir::ValueId id : clipped.graph.value_ids()) {
    const ir::Value& value = clipped.graph.value(id);
    if (value.constant && value.name[0] != 'b') {
      EXPECT_TRUE(value.constant->identical(*result.state.graph.constant(id))) << value.name;
    }
    const quant::Encoding *before = model::find_encoding(clipped.encodings, id), *after = model::find_encoding(result.state.encodings, id);
    if (before != nullptr) {
      EXPECT_EQ(before->grids[0].scale, after->grids[0].scale) << value.name;
    }
  }
}

TEST(SettleBiases, WhatImagesDisagreeAboutIsNoise) {
  model::ModelState exact = network(8);
  for (const char* name : {"w1", "w2", "w3", "w4"}) exact.encodings.erase(exact.graph.find_value(name));
  for (const char* name : {"x", "r1", "r2", "c3", "sum", "pool", "flat", "y"}) encode(exact, name, {.bits = 16}, {-8.0, 8.0});
  model::ModelState listed = network(8);  // layers are found by their weights' grids
  const MemorySource source(32);
  const SettledBiases result = settle_biases(exact.graph, exact, find_layers(listed).sites, source, random_order(0, 32), {}, silent);
  EXPECT_NEAR(output_error(result.state, exact) / output_error(exact, exact), 1.0, 0.3);
}

TEST(SettleBiases, SameBytesForAnyThreadCount) {
  const model::ModelState clipped = clipped_network();
  expect_equal(settled(clipped, 1, 13).state, settled(clipped, 3, 13).state);
}

TEST(Adaround, BiasesAreSettledWhereOutputsGain) {
  const model::ModelState original = clipped_network();
  model::ModelState state = clipped_network(), classic = clipped_network(), few = clipped_network();
  const AdaroundReport report = adaround(state, MemorySource(32), {}, silent);
  EXPECT_GT(report.settled, 0u);
  EXPECT_GT(report.settled_gain_db, 0.0);
  EXPECT_LT(output_error(state, original), 0.5 * output_error(original, original));
  EXPECT_EQ(adaround(classic, MemorySource(32), {.method = Method::kClassic, .classic = {.iterations = 10}}, silent).settled, 0u);
  EXPECT_EQ(adaround(few, MemorySource(3), {}, silent).settled, 0u);  // none is kept aside to judge by
}

TEST(Adaround, WithoutGridsOfActivationsNothingIsSettled) {
  model::ModelState state = clipped_network();
  std::erase_if(state.encodings, [&](const auto& entry) { return !state.graph.is_constant(entry.first); });
  EXPECT_EQ(adaround(state, MemorySource(32), {}, silent).settled, 0u);
}

}  // namespace
}  // namespace qtool::rounding
