#include "wide_selection.h"

#include <gtest/gtest.h>

#include "optimize_fixture.h"
#include "qtool/optimize/cost_model.h"

namespace qtool::optimize::testing {
namespace {

// A chain whose first value is read by a dear layer, the others by cheap ones.
struct Chain {
  model::ModelState state;
  std::vector<NarrowQuantizer> quantizers;
};

Chain chain(const std::vector<double>& noise) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 8, 10, 10});
  x = b.node("Conv", {x, b.random("w1", {64, 8, 5, 5}), b.random("b1", {64})}, "v0");
  x = b.node("Conv", {x, b.random("w2", {4, 64, 1, 1}), b.random("b2", {4})}, "v1");
  x = b.node("Conv", {x, b.random("w3", {4, 4, 1, 1}), b.random("b3", {4})}, "v2");
  b.output(b.node("Conv", {x, b.random("w4", {4, 4, 1, 1}), b.random("b4", {4})}, "y"));
  Chain result{.state = b.build(), .quantizers = {}};
  const Quantizer eight_bits = quantizer(dsp());
  const MemorySource source(result.state.graph, 2);
  eight_bits.plan(result.state);
  eight_bits.encode(result.state, eight_bits.calibrate(result.state, source));
  const char* const names[] = {"x", "v1", "v2"};
  for (size_t i = 0; i < noise.size(); ++i) {
    const ir::ValueId id = result.state.graph.find_value(names[i]);
    result.quantizers.push_back({id, {id}, {{1.0}, {noise[i]}}});
  }
  return result;
}

const std::vector<OutputBlock> kOneBlock = {{.name = "y"}};
const OutputNoise kFloor{{1.0}, {1e-5}};

double cost_with(Chain c, const std::vector<size_t>& wide) {
  for (const size_t i : wide) c.state.encodings.at(c.quantizers[i].leader).encoding.bits = 16;
  return relative_cost(c.state);
}

TEST(WideSelection, TakesTheWorstWhenItCanBePaid) {
  const Chain c = chain({1e-2, 1e-4, 1e-6});
  EXPECT_EQ(select_wide(c.state, c.quantizers, kFloor, kOneBlock, {.most_cost = 4.0}), (std::vector<size_t>{0, 1}));
}

TEST(WideSelection, SeveralCheapOnesInsteadOfADearOne) {
  const Chain c = chain({1.1e-2, 1e-2, 1e-2});
  const double limit = cost_with(c, {0});
  ASSERT_LT(cost_with(c, {1, 2}), limit);
  ASSERT_GT(cost_with(c, {0, 1}), limit);
  auto wide = select_wide(c.state, c.quantizers, kFloor, kOneBlock, {.most_cost = limit});
  std::sort(wide.begin(), wide.end());
  EXPECT_EQ(wide, (std::vector<size_t>{1, 2}));
}

TEST(WideSelection, NothingWhenTheNoiseIsElsewhere) {
  const Chain c = chain({1e-6, 1e-6, 1e-6});
  EXPECT_TRUE(select_wide(c.state, c.quantizers, {{1.0}, {1e-2}}, kOneBlock, {.most_cost = 4.0}).empty());
}

TEST(WideSelection, OnlyTogetherDoTheyPay) {
  const Chain c = chain({0.0, 1e-2, 1e-2});  // widening one of the two gains 3 dB, both 27
  const auto wide = select_wide(c.state, c.quantizers, kFloor, kOneBlock, {.least_gain_db = 5.0, .most_cost = 4.0});
  EXPECT_EQ(wide.size(), 2u);
}

// Adds the weight of the layer that reads quantizer `input`.
void add_weight(Chain& c, const std::string& name, size_t input, double noise) {
  const ir::ValueId id = c.state.graph.find_value(name);
  c.quantizers.push_back({.leader = id, .members = {id}, .noise = {{1.0}, {noise}}, .reads = c.quantizers[input].leader});
}

TEST(WideSelection, AWeightBringsAlongWhatItsLayerReads) {
  Chain c = chain({1e-6, 1e-6, 1e-6});
  add_weight(c, "w3", 1, 1e-2);
  EXPECT_EQ(select_wide(c.state, c.quantizers, {{1.0}, {1.1e-2}}, kOneBlock, {.most_cost = 4.0}), (std::vector<size_t>{1, 3}));
}

TEST(WideSelection, AWeightBehindAWideInputGoesAlone) {
  Chain c = chain({1e-6, 1e-6, 1e-6});
  add_weight(c, "w3", 1, 1e-2);
  c.state.encodings.at(c.quantizers[1].leader).encoding.bits = 16;
  c.quantizers.erase(c.quantizers.begin() + 1);
  EXPECT_EQ(select_wide(c.state, c.quantizers, {{1.0}, {1.1e-2}}, kOneBlock, {.most_cost = 4.0}), (std::vector<size_t>{2}));
}

TEST(WideSelection, AWeightIsPaidForWithItsInput) {
  Chain c = chain({1e-6, 1e-6, 1e-6});
  add_weight(c, "w3", 1, 1e-2);
  const double of_input = cost_with(c, {1});
  ASSERT_LT(of_input, cost_with(c, {1, 3}));
  EXPECT_TRUE(select_wide(c.state, c.quantizers, {{1.0}, {1.1e-2}}, kOneBlock, {.most_cost = of_input}).empty());
}

TEST(WideSelection, WeightsHoldNoMoreNoiseThanTheFloor) {
  Chain c = chain({1e-3, 1e-6, 1e-6});
  add_weight(c, "w3", 1, 1e-2);  // alone ten times what all weights do together
  EXPECT_EQ(select_wide(c.state, c.quantizers, kFloor, kOneBlock, {.least_gain_db = 1.0, .most_cost = 4.0}).front(), 0u);
}

}  // namespace
}  // namespace qtool::optimize::testing
