// Causes in plain words, on graphs made to have exactly one.
#include "tensor_diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quantizer_groups.h"
#include "support/graph_builder.h"

namespace qtool::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using qtool::testing::GraphBuilder;

model::EncodingEntry grid(double lo, double hi, quant::QuantSpec spec = {}) {
  const quant::Range range{lo, hi};
  return {.encoding = quant::encoding_from_ranges(spec, {&range, 1}), .source = "min-max"};
}

// boxes (0..640) and scores (0..1) in one output
model::ModelState head() {
  GraphBuilder b;
  const auto boxes = b.input("boxes", {1, 4, 10}), scores = b.input("scores", {1, 2, 10});
  b.output(b.node("Concat", {boxes, scores}, "head", {{"axis", int64_t{1}}}));
  model::ModelState state = b.build();
  state.encodings[state.graph.find_value("boxes")] = grid(0, 640);
  state.encodings[state.graph.find_value("scores")] = grid(0, 1);
  state.encodings[state.graph.find_value("head")] = grid(0, 640);
  return state;
}

TEST(TensorDiagnosis, AHeadOfBoxesAndScoresIsARangeClashThatNamesBoth) {
  const model::ModelState state = head();
  const auto found = diagnose_tensor(state, nullptr, state.graph.find_value("head"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, "range clash");
  EXPECT_THAT(found->cause, HasSubstr("'boxes' (range 640)"));
  EXPECT_THAT(found->cause, HasSubstr("'scores' (range 1)"));
  EXPECT_THAT(found->cause, HasSubstr("keeps 0.4 levels and becomes zero"));  // 1 / (640 / 255)
  EXPECT_EQ(found->option, "--float 'head.node'");
}

TEST(TensorDiagnosis, WithSixteenBitsTheHeadIsFine) {
  model::ModelState state = head();
  state.encodings[state.graph.find_value("head")] = grid(0, 640, {.bits = 16});
  EXPECT_FALSE(diagnose_tensor(state, nullptr, state.graph.find_value("head")));
}

calib::TensorStatistics seen(const std::vector<float>& values) {
  calib::TensorStatistics statistics;
  statistics.histogram.emplace();
  statistics.histogram->add(values);
  statistics.range = statistics.histogram->range();
  statistics.count = statistics.histogram->finite_count();
  return statistics;
}

TEST(TensorDiagnosis, AFewLargeValuesAreOutliers) {
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("x", {1, 8})}, "y"));
  model::ModelState state = b.build();
  const ir::ValueId y = state.graph.find_value("y");
  state.encodings[y] = grid(0, 100);
  std::vector<float> values(100000, 1.0f);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000) / 100.0f;  // 0..10
  const auto even = seen(values);
  values[17] = 100.0f;
  const auto statistics = seen(values);
  const auto found = diagnose_tensor(state, &statistics, y);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, "outliers");
  EXPECT_THAT(found->cause, HasSubstr("10.0 times as wide"));
  state.encodings[y] = grid(0, 10);
  EXPECT_FALSE(diagnose_tensor(state, &even, y));
}

TEST(TensorDiagnosis, RareConfidentScoresAreNoOutliers) {
  GraphBuilder b;
  b.output(b.node("Sigmoid", {b.input("x", {1, 8})}, "scores"));
  model::ModelState state = b.build();
  const ir::ValueId scores = state.graph.find_value("scores");
  state.encodings[scores] = grid(0, 1);
  std::vector<float> values(100000, 0.001f);
  values[17] = 0.99f;
  const auto statistics = seen(values);
  EXPECT_FALSE(diagnose_tensor(state, &statistics, scores));
}

TEST(TensorDiagnosis, ChannelsOfVeryDifferentReachAreTold) {
  GraphBuilder b;
  const auto weight = b.constant("w", Tensor::from<float>({3, 1, 1, 1}, {8.0f, 0.5f, -0.25f}));
  b.output(b.node("Conv", {b.input("x", {1, 1, 4, 4}), weight}, "y"));
  model::ModelState state = b.build();
  state.encodings[weight] = grid(-0.25, 8.0);
  const auto found = diagnose_tensor(state, nullptr, weight);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, "unequal channels");
  EXPECT_THAT(found->cause, HasSubstr("reaches 8, the median one 0.5"));
  EXPECT_EQ(found->option, "--use_per_channel_quantization");
}

TEST(QuantizerGroups, ALayerIsItsParametersAndTheGridBehindTheFusedChain) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 4, 4});
  const auto weight = b.random("w", {2, 1, 1, 1}), bias = b.random("b", {2});
  const auto y = b.node("Conv", {x, weight, bias}, "y"), z = b.node("Relu", {y}, "z");
  const auto flat = b.node("Flatten", {z}, "flat");
  b.output(flat);
  model::ModelState state = b.build();
  for (const ir::ValueId id : {x, weight, bias, z, flat}) {
    state.encodings[id] = grid(-1, 1);
    state.plan.tensors[id] = {.leader = id == flat ? z : id};
  }
  const std::vector<QuantizerGroup> groups = quantizer_groups(state);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].name, "input 'x'");
  EXPECT_THAT(groups[0].activations, ElementsAre(x));
  EXPECT_EQ(groups[1].name, "y.node");
  EXPECT_EQ(groups[1].op, "Conv");
  EXPECT_EQ(groups[1].leader, z);
  EXPECT_THAT(groups[1].activations, ElementsAre(z, flat));
  EXPECT_THAT(groups[1].constants, ElementsAre(weight, bias));
}

}  // namespace
}  // namespace qtool::pipeline
