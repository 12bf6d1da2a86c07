#include "qtool/optimize/cost_model.h"

#include <gtest/gtest.h>

#include "optimize_fixture.h"

namespace qtool::optimize::testing {
namespace {

// A convolution fused with its activation, and a reader of that.
model::ModelState encoded_network() {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 8, 10, 10});
  x = b.node("Relu", {b.node("Conv", {x, b.random("w1", {16, 8, 3, 3}), b.random("b1", {16})}, "c1")}, "a1");
  b.output(b.node("Conv", {x, b.random("w2", {4, 16, 1, 1}), b.random("b2", {4})}, "y"));
  model::ModelState state = b.build();
  const Quantizer eight_bits = quantizer(dsp());
  const MemorySource source(state.graph, 2);
  eight_bits.plan(state);
  eight_bits.encode(state, eight_bits.calibrate(state, source));
  return state;
}

TEST(CostModel, EightBitsEverywhereCostOne) {
  const model::ModelState state = encoded_network();
  ASSERT_EQ(state.encodings.count(state.graph.find_value("c1")), 0u) << "the value inside the fused layer has no grid of its own";
  EXPECT_DOUBLE_EQ(relative_cost(state), 1.0);
}

TEST(CostModel, AWiderInputOfALayerCostsItsMultiplications) {
  model::ModelState state = encoded_network();
  const Cost narrow = model_cost(state);
  state.encodings.at(state.graph.find_value("a1")).encoding.bits = 16;
  const Cost wide = model_cost(state);
  EXPECT_DOUBLE_EQ(wide.macs - narrow.macs, 8.0 * 8.0 * 16.0 * 4.0) << "twice the price of the second layer's multiplications";
  EXPECT_GT(wide.bytes, narrow.bytes);
}

TEST(CostModel, ALayerWithoutGridsIsFloat) {
  model::ModelState state = encoded_network();
  state.encodings.clear();
  EXPECT_GT(relative_cost(state), 2.0);
}

}  // namespace
}  // namespace qtool::optimize::testing
