// Concat of tensors of different ranges, and biases of layers that share a weight.
#include <gmock/gmock.h>

#include <cmath>

#include "pass_fixture.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/quant/quantize.h"

namespace qtool::passes::testing {
namespace {

using calib::TensorStatistics;
using model::ConcatPolicy;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// boxes [0, 640] and scores [0, 1] joined, as in the head of a detector.
struct Head {
  model::ModelState state;
  ir::ValueId boxes, scores, joined;
  EncodingNotes notes;
};

model::TargetProfile profile(ConcatPolicy policy, std::set<std::string> tied = {}) {
  model::TargetProfile p{.name = "test"};
  p.tied_ops = std::move(tied);
  p.same_encoding_ops = {"Transpose"};
  p.concat_policy = policy;
  p.bias_bits = 32;
  return p;
}

TensorStatistics seen(double lo, double hi) { return {.range = {lo, hi}, .count = 10, .non_finite = 0, .histogram = {}}; }

Head head(const model::TargetProfile& wanted, double largest_score = 1.0, bool read_by_a_layer = false) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4});
  Head h{.boxes = b.node("Exp", {x}, "boxes"), .scores = b.node("Neg", {x}, "scores")};
  h.joined = b.node("Concat", {h.boxes, h.scores}, "joined", {{"axis", int64_t{1}}});
  if (read_by_a_layer) b.output(b.node("Neg", {h.joined}, "read"));
  else b.output(b.node("Transpose", {h.joined}, "turned", {{"perm", Ints{1, 0}}}));
  h.state = b.build();
  plan_quantization(h.state, wanted, ops::builtin_registry());
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(h.state)) statistics[id] = seen(-1, 1);
  EXPECT_TRUE(statistics.contains(h.boxes) && statistics.contains(h.scores));
  statistics[h.boxes] = seen(0, 640);
  statistics[h.scores] = seen(0, largest_score);
  statistics[h.joined] = seen(0, 640);
  const calib::Method& method = calib::builtin_registry().at("min-max");
  h.notes = compute_encodings(h.state, statistics, method, method, {}, {}, &wanted);
  return h;
}

double scale(const Head& h, ir::ValueId id) { return h.state.encodings.at(id).encoding.grids[0].scale; }

TEST(ConcatRanges, InputsKeepTheirOwnEncodingsAndTheDeathOfTheScoresIsToldInWords) {
  const Head h = head(profile(ConcatPolicy::kOwn));
  EXPECT_DOUBLE_EQ(1.0 / 255, scale(h, h.scores));
  EXPECT_DOUBLE_EQ(640.0 / 255, scale(h, h.joined));
  ASSERT_THAT(h.notes.concat, SizeIs(1));
  ASSERT_THAT(h.notes.concat_dead, SizeIs(1));
  EXPECT_THAT(h.notes.concat_dead[0], HasSubstr("'scores' reaches 1 only"));
  EXPECT_THAT(h.notes.concat_dead[0], HasSubstr("become zero"));
}

TEST(ConcatRanges, AProfileThatTiesDoesNotDoItSilently) {
  const Head h = head(profile(ConcatPolicy::kOwn, {"Concat"}));
  EXPECT_DOUBLE_EQ(1.0 / 255, scale(h, h.scores));
  ASSERT_THAT(h.notes.concat, SizeIs(1));
  EXPECT_THAT(h.notes.concat[0], HasSubstr("untied"));
}

TEST(ConcatRanges, EqualRangesStayTied) {
  const Head h = head(profile(ConcatPolicy::kOwn, {"Concat"}), 300.0);
  EXPECT_DOUBLE_EQ(scale(h, h.boxes), scale(h, h.scores));
  EXPECT_THAT(h.notes.concat, IsEmpty());
  EXPECT_THAT(h.notes.concat_dead, IsEmpty());
}

TEST(ConcatRanges, TiedOnRequestIsReported) {
  const Head h = head(profile(ConcatPolicy::kTie));
  EXPECT_DOUBLE_EQ(640.0 / 255, scale(h, h.scores));
  EXPECT_THAT(h.notes.concat, SizeIs(1));
  EXPECT_THAT(h.notes.concat_dead, SizeIs(1));
}

// The error of a score must stay below one level of an 8-bit grid of its own.
TEST(ConcatRanges, AutoKeepsTheScoresAlive) {
  const Head h = head(profile(ConcatPolicy::kAuto));
  EXPECT_DOUBLE_EQ(1.0 / 255, scale(h, h.scores));
  EXPECT_FALSE(h.state.encodings.contains(h.joined));
  EXPECT_FALSE(h.state.encodings.contains(h.state.graph.find_value("turned")));  // the transposed output moves the float tensor
  EXPECT_THAT(h.notes.concat_dead, IsEmpty());
  EXPECT_THAT(h.notes.concat[0], HasSubstr("stays float"));
}

TEST(ConcatRanges, AutoWidensWhatQuantizedOperatorsRead) {
  const Head h = head(profile(ConcatPolicy::kAuto), 1.0, true);
  EXPECT_EQ(16, h.state.encodings.at(h.joined).encoding.bits);
  EXPECT_THAT(h.notes.concat_dead, IsEmpty());
}

TEST(ConcatRanges, ASingleInputAndAnEmptyOneAreNothingToAnalyse) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4});
  const auto empty = b.constant("empty", Tensor(DType::kFloat32, {1, 0}));
  const auto one = b.node("Concat", {x}, "one", {{"axis", int64_t{1}}});
  const auto two = b.node("Concat", {one, empty}, "two", {{"axis", int64_t{1}}});
  b.output(b.node("ReduceMax", {two}, "scalar", {{"keepdims", int64_t{0}}}));
  model::ModelState state = b.build();
  const model::TargetProfile wanted = profile(ConcatPolicy::kAuto, {"Concat"});
  plan_quantization(state, wanted, ops::builtin_registry());
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(state)) statistics[id] = seen(-1, 1);
  const calib::Method& method = calib::builtin_registry().at("min-max");
  const EncodingNotes notes = compute_encodings(state, statistics, method, method, {}, {}, &wanted);
  EXPECT_THAT(notes.concat, IsEmpty());
  EXPECT_TRUE(state.encodings.contains(state.graph.find_value("scalar")));
}

// ---- biases -------------------------------------------------------------------------------------------------------

struct Shared {
  model::ModelState state;
  EncodingNotes notes;
  double input_scale(const char* name) const { return state.encodings.at(state.graph.find_value(name)).encoding.grids[0].scale; }
  const quant::Encoding& encoding(const char* name) const { return state.encodings.at(state.graph.find_value(name)).encoding; }
};

// One weight, two layers: the second bias does not fit and widens it, after the first had been served.
Shared shared_weight(bool guard, double second_bias) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 2, 2});
  const auto w = b.constant("w", Tensor::from<float>({1, 1, 1, 1}, {1e-6f}));
  const auto first = b.node("Conv", {x, w, b.constant("b1", Tensor::from<float>({1}, {0.001f}))}, "first");
  b.output(b.node("Conv", {first, w, b.constant("b2", Tensor::from<float>({1}, {static_cast<float>(second_bias)}))}, "second"));
  Shared s{.state = b.build(), .notes = {}};
  model::TargetProfile wanted = profile(ConcatPolicy::kOwn);
  wanted.weight_symmetric = true;
  wanted.bias_overflow_guard = guard;
  wanted.min_range = 1e-9;
  plan_quantization(s.state, wanted, ops::builtin_registry());
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(s.state)) statistics[id] = seen(-1, 1);
  const calib::Method& method = calib::builtin_registry().at("min-max");
  s.notes = compute_encodings(s.state, statistics, method, method, {}, {}, &wanted);
  return s;
}

TEST(SharedWeight, BothBiasesHaveTheScaleOfTheFinalWeight) {
  const Shared s = shared_weight(true, 1e6);
  EXPECT_THAT(s.notes.bias_overflow, SizeIs(1));
  const double weight = s.encoding("w").grids[0].scale;
  EXPECT_LE(1e6, 2147483648.0 * s.input_scale("first") * weight);
  EXPECT_FLOAT_EQ(static_cast<float>(s.input_scale("x")) * static_cast<float>(weight), static_cast<float>(s.encoding("b1").grids[0].scale));
  EXPECT_FLOAT_EQ(static_cast<float>(s.input_scale("first")) * static_cast<float>(weight), static_cast<float>(s.encoding("b2").grids[0].scale));
}

TEST(SharedWeight, WithoutTheGuardTheOverflowIsListed) {
  const Shared s = shared_weight(false, 1e6);
  EXPECT_THAT(s.notes.bias_overflow, IsEmpty());
  EXPECT_EQ((std::vector<std::string>{"b2: 1 of 1 channels"}), s.notes.bias_clipped);
}

TEST(NarrowBias, ItsCostIsPredictedInLevelsOfTheOutput) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 1, 2, 2});
  const auto w = b.constant("w", Tensor::from<float>({2, 1, 1, 1}, {1.0f, 1.0f}));
  b.output(b.node("Conv", {x, w, b.constant("b", Tensor::from<float>({2}, {255.0f, 0.5f}))}, "y"));
  model::ModelState state = b.build();
  model::TargetProfile wanted = profile(ConcatPolicy::kOwn);
  wanted.bias_bits = 8;
  plan_quantization(state, wanted, ops::builtin_registry());
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(state)) statistics[id] = seen(0, 25.5);
  const calib::Method& method = calib::builtin_registry().at("min-max");
  const EncodingNotes notes = compute_encodings(state, statistics, method, method, {}, {}, &wanted);
  ASSERT_THAT(notes.narrow_biases, SizeIs(1));
  EXPECT_NEAR(5.0, notes.narrow_biases[0].worst_output_levels, 1e-3);  // 0.5 on a grid of 1, output steps of 0.1
}

}  // namespace
}  // namespace qtool::passes::testing
