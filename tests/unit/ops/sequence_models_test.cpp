// Recurrent operators and attention.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;
using Strings = std::vector<std::string>;

constexpr float kTolerance = 1e-6f;

// h = x + 2 h, one unit: Affine with the default factor 1.
NodeCase doubling(Attributes attributes) {
  attributes["activations"] = Strings{"Affine"};
  return {.op = "RNN", .opset = 14, .attributes = std::move(attributes),
          .inputs = {floats({3, 1, 1}, {1, 10, 100}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {2})}, .outputs = 2};
}

TEST(Rnn, RunsForwardAndBackward) {
  std::vector<Tensor> y = run_all(doubling({}));
  EXPECT_THAT(values<float>(y[0]), ElementsAre(1, 12, 124));
  EXPECT_THAT(values<float>(y[1]), ElementsAre(124));
  y = run_all(doubling({{"direction", std::string("reverse")}}));
  EXPECT_THAT(values<float>(y[0]), ElementsAre(421, 210, 100));
  EXPECT_THAT(values<float>(y[1]), ElementsAre(421));
}

TEST(Rnn, StopsAtTheLengthOfEachSequence) {
  NodeCase test = doubling({{"direction", std::string("reverse")}});
  test.inputs.push_back(floats({0}, {}));
  test.inputs.push_back(Tensor::from<int32_t>({1}, {2}));
  test.left_out = {3};
  const std::vector<Tensor> y = run_all(test);
  EXPECT_THAT(values<float>(y[0]), ElementsAre(21, 10, 0));
  EXPECT_THAT(values<float>(y[1]), ElementsAre(21));
}

TEST(Rnn, ClipsTheInputOfTheActivation) {
  EXPECT_THAT(values<float>(run(doubling({{"clip", 11.0f}}))), ElementsAre(1, 11, 11));
}

TEST(Gru, WithAnUpdateGateOfOneHalfAveragesStateAndCandidate) {
  // All gate weights zero: z = r = 0.5; candidate = tanh(x). h1 = 0.5 tanh(1), h2 = 0.5 tanh(2) + 0.5 h1.
  const Tensor y = run({.op = "GRU", .opset = 14,
                        .inputs = {floats({2, 1, 1}, {1, 2}), floats({1, 3, 1}, {0, 0, 1}), floats({1, 3, 1}, {0, 0, 0})}});
  const float first = 0.5f * std::tanh(1.0f);
  EXPECT_THAT(values<float>(y), Pointwise(FloatNear(kTolerance), {first, 0.5f * std::tanh(2.0f) + 0.5f * first}));
}

TEST(Lstm, PeepholesSeeTheCell) {
  // Gates without weights are 0.5, the candidate is tanh(x). Cell: c1 = 0.5 tanh(1) + 0.5 * 2. The output gate looks
  // at c1 through its peephole of 3.
  const std::vector<Tensor> y = run_all(
      {.op = "LSTM", .opset = 14,
       .inputs = {floats({1, 1, 1}, {1}), floats({1, 4, 1}, {0, 0, 0, 1}), floats({1, 4, 1}, {0, 0, 0, 0}), floats({0}, {}),
                  floats({0}, {}), floats({0}, {}), floats({1, 1, 1}, {2}), floats({1, 3}, {0, 3, 0})},
       .outputs = 3, .left_out = {3, 4, 5}});
  const float cell = 0.5f * std::tanh(1.0f) + 1.0f;
  EXPECT_NEAR(values<float>(y[2])[0], cell, kTolerance);
  EXPECT_NEAR(values<float>(y[1])[0], std::tanh(cell) / (1.0f + std::exp(-3.0f * cell)), kTolerance);
}

TEST(Lstm, BothLayoutsAgree) {
  const Tensor w = floats({2, 4, 1}, {1, 2, 3, 4, -1, -2, -3, -4}), r = floats({2, 4, 1}, {0.5f, 0.1f, 0.2f, 0.3f, 1, 2, 3, 4});
  Attributes attributes{{"direction", std::string("bidirectional")}};
  const std::vector<Tensor> time_first = run_all({.op = "LSTM", .opset = 14, .attributes = attributes,
                                                  .inputs = {floats({3, 1, 1}, {1, 2, 3}), w, r}, .outputs = 3});
  attributes["layout"] = int64_t{1};
  const std::vector<Tensor> batch_first = run_all({.op = "LSTM", .opset = 14, .attributes = attributes,
                                                   .inputs = {floats({1, 3, 1}, {1, 2, 3}), w, r}, .outputs = 3});
  EXPECT_EQ(batch_first[0].shape(), (Shape{1, 3, 2, 1}));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(values<float>(time_first[i]), values<float>(batch_first[i]));
}

// One head of size 1, keys 0: every visible value has equal weight.
NodeCase averaging(Attributes attributes) {
  return {.op = "Attention", .opset = 23, .attributes = std::move(attributes),
          .inputs = {floats({1, 1, 3, 1}, {1, 1, 1}), floats({1, 1, 3, 1}, {0, 0, 0}), floats({1, 1, 3, 1}, {3, 5, 10})}};
}

TEST(Attention, AveragesWhatItMaySee) {
  EXPECT_THAT(values<float>(run(averaging({}))), ElementsAre(6, 6, 6));
  EXPECT_THAT(values<float>(run(averaging({{"is_causal", int64_t{1}}}))), ElementsAre(3, 4, 6));
}

TEST(Attention, GivesZerosToAQueryThatSeesNothing) {
  NodeCase test = averaging({});
  test.inputs.push_back(Tensor::from<bool>({3, 3}, {false, false, false, true, false, true, true, true, true}));
  EXPECT_THAT(values<float>(run(test)), ElementsAre(0, 6.5f, 6));
}

TEST(RotaryEmbedding, TurnsPairsOfFeatures) {
  // A quarter turn: (x1, x2) -> (-x2, x1).
  const Tensor y = run({.op = "RotaryEmbedding", .opset = 23,
                        .inputs = {floats({1, 1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {0, 1}), floats({1, 1, 2}, {1, 0})}});
  EXPECT_THAT(values<float>(y), ElementsAre(-3, 2, 1, 4));
}

}  // namespace
}  // namespace qtool::ops::testing
