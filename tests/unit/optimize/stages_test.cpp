#include <gtest/gtest.h>

#include "bias_correction.h"
#include "judge.h"
#include "optimize_fixture.h"
#include "qtool/support/error.h"

namespace qtool::optimize::testing {
namespace {

OptimizeResult optimized(model::ModelState& state, const data::SampleSource* source, std::vector<std::string> stages,
                         OptimizeOptions options = {}, int bias_bits = 32, Reporter* reporter = nullptr) {
  static SilentReporter silent;
  const model::TargetProfile profile = dsp(bias_bits);
  options.stages = std::move(stages);
  if (options.threads == 1) options.threads = 2;
  return optimize(state, quantizer(profile, options.threads), source, profile, options, reporter != nullptr ? *reporter : silent);
}

const StageRow& row(const OptimizeResult& result, const std::string& stage) {
  for (const StageRow& candidate : result.rows) {
    if (candidate.stage == stage) return candidate;
  }
  throw Error(ErrorCode::kInternal, "no row of stage " + stage);
}

// Two blocks conv - relu - conv with uneven channels and a classifier.
model::ModelState network(double spread = 6.0, unsigned seed = 1) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 12, 12});
  x = b.node("Relu", {b.node("Conv", {x, b.constant("w1", uneven_weight({16, 3, 3, 3}, seed, spread)), b.random("b1", {16})}, "c1")}, "a1");
  x = b.node("Relu", {b.node("Conv", {x, b.constant("w2", uneven_weight({16, 1, 3, 3}, seed + 1, 1.0 / spread)), b.random("b2", {16})}, "c2",
                             {{"group", int64_t{16}}, {"pads", Ints{1, 1, 1, 1}}})}, "a2");
  x = b.node("Relu", {b.node("Conv", {x, b.random("w3", {20, 16, 1, 1}), b.random("b3", {20})}, "c3")}, "a3");
  x = b.node("Flatten", {b.node("GlobalAveragePool", {x}, "pool")}, "flat");
  b.output(b.node("Gemm", {x, b.random("w4", {10, 20}), b.random("b4", {10})}, "y", {{"transB", int64_t{1}}}));
  return b.build();
}

TEST(Stages, UnknownNamesAreRefusedWithTheNearestOne) {
  const std::vector<std::string> wrong{"cle", "bcc"};
  try {
    (void)builtin_registry().resolve(wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("did you mean 'bc'"));
  }
}

TEST(Stages, RunInTheToolsOrderWithWhatBelongsToThem) {
  std::vector<std::string> names;
  for (const Stage* stage : builtin_registry().resolve(std::vector<std::string>{"bc", "cle"})) names.push_back(stage->name);
  EXPECT_THAT(names, ::testing::ElementsAre("dead-channels", "cle", "hba", "bc"));
  EXPECT_TRUE(builtin_registry().resolve({}).empty());
}

TEST(Stages, EqualizationAndBiasCorrectionRaiseTheScore) {
  model::ModelState state = network();
  const ir::Graph original = state.graph;
  const MemorySource source(state.graph, 32);
  const OptimizeResult result = optimized(state, &source, {"cle", "bc"});
  EXPECT_EQ(row(result, "cle").decision, "kept");
  EXPECT_EQ(result.held_out, 8);
  EXPECT_GT(result.rows.back().score->sqnr_db, row(result, "start").score->sqnr_db + 3.0);
  EXPECT_FALSE(state.encodings.empty());
}

// Equalized weights, but activations of one channel that then drown the others: judged, and rolled back.
TEST(Stages, WhatMakesItWorseIsRolledBack) {
  int rolled_back = 0;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    model::ModelState state = network(1.0, 10 * seed);
    const Tensor before = *state.graph.constant(state.graph.find_value("w1"));
    const MemorySource source(state.graph, 32);
    const OptimizeResult result = optimized(state, &source, {"cle"});
    double best = -1e9;
    for (const StageRow& r : result.rows) {
      if (r.decision == "start" || r.decision == "kept") best = std::max(best, r.score->sqnr_db);
      if (r.decision == "kept" && r.stage == "cle") {
        EXPECT_GE(r.score->sqnr_db, row(result, "start").score->sqnr_db);
      }
    }
    if (row(result, "cle").decision != "rolled back") continue;
    ++rolled_back;
    EXPECT_TRUE(state.graph.constant(state.graph.find_value("w1"))->identical(before)) << "rolled back, yet weights moved";
    model::ModelState forced = network(1.0, 10 * seed);
    const OptimizeResult always = optimized(forced, &source, {"cle"}, {.accept = Accept::kAlways});
    EXPECT_EQ(row(always, "cle").decision, "kept");
    EXPECT_FALSE(forced.graph.constant(forced.graph.find_value("w1"))->identical(before));
  }
  EXPECT_GT(rolled_back, 0) << "the test needs a model that equalization harms";
}

TEST(Stages, ResultsDoNotDependOnThreads) {
  const auto weights = [](int threads) {
    model::ModelState state = network();
    const MemorySource source(state.graph, 20);
    OptimizeOptions options{.threads = threads};
    const OptimizeResult result = optimized(state, &source, {"cle", "bc"}, options);
    std::vector<float> all;
    for (const ir::ValueId id : state.graph.value_ids()) {
      if (const Tensor* constant = state.graph.constant(id)) {
        const auto values = constant->to_float();
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    for (const StageRow& r : result.rows) all.push_back(static_cast<float>(r.score ? r.score->sqnr_db : 0.0));
    return all;
  };
  EXPECT_EQ(weights(2), weights(5));
}

// ---- dead channels -------------------------------------------------------------------------------------------------

model::ModelState with_dead_channel(float bias, bool singleton = false) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  Tensor w1 = random_tensor({6, 3, 1, 1}, 1, -1.0f, 1.0f), b1 = random_tensor({6}, 2, 0.5f, 1.0f);
  for (size_t i = 2 * 3; i < 3 * 3; ++i) w1.mutable_data<float>()[i] = 1e-7f;
  b1.mutable_data<float>()[2] = bias;
  x = b.node("Relu", {b.node("Conv", {x, b.constant("w1", w1), b.constant("b1", b1)}, "c1")}, "a1");
  Tensor w2 = random_tensor({6, 1, 3, 3}, 3, -1.0f, 1.0f);
  for (size_t i = 2 * 9; i < 3 * 9; ++i) w2.mutable_data<float>()[i] = 223.0f;
  x = b.node("Relu", {b.node("Conv", {x, b.constant("w2", w2), b.random("b2", {6}, 0.1f, 1.0f)}, "c2", {{"group", int64_t{6}}, {"pads", Ints{1, 1, 1, 1}}})}, "a2");
  b.output(b.node("Conv", {x, b.random("w3", {singleton ? 1 : 4, 6, 1, 1}), b.random("b3", {singleton ? 1 : 4})}, "y"));
  return b.build();
}

TEST(DeadChannels, SetNoScaleAndLeaveTheFunction) {
  model::ModelState state = with_dead_channel(-3.0f);
  const ir::Graph original = state.graph;
  const MemorySource source(state.graph, 16);
  const OptimizeResult result = optimized(state, &source, {"dead-channels"});
  EXPECT_EQ(row(result, "dead-channels").decision, "kept");
  EXPECT_EQ(row(result, "dead-channels").outcome.counts.at(0).second, 1);
  EXPECT_LT(relative_difference(original, state.graph, source), 1e-6);
  for (const float w : state.graph.constant(state.graph.find_value("w2"))->data<float>()) EXPECT_LE(std::abs(w), 1.0f);
  // Behind the dead depthwise channel there is one constant: folded into the bias of the last layer.
  const auto w3 = state.graph.constant(state.graph.find_value("w3"))->data<float>();
  for (size_t o = 0; o < 4; ++o) EXPECT_EQ(w3[o * 6 + 2], 0.0f);
  EXPECT_GT(row(result, "dead-channels").score->sqnr_db, row(result, "start").score->sqnr_db + 5.0);
}

// user-asks T4
TEST(DeadChannels, WithALargeBiasAndASingletonBiasScalesStayFinite) {
  for (const float bias : {-1e12f, 1e12f}) {
    model::ModelState state = with_dead_channel(bias, true);
    const MemorySource source(state.graph, 16);
    const OptimizeResult result = optimized(state, &source, {"cle", "bc"}, {.accept = Accept::kAlways});
    for (const auto& [id, entry] : state.encodings) {
      for (const quant::Grid& grid : entry.encoding.grids) {
        EXPECT_TRUE(std::isfinite(grid.scale) && grid.scale > 0.0);
        const Tensor* constant = state.graph.constant(id);
        if (constant == nullptr || entry.encoding.bits != 32) continue;
        for (const float v : constant->data<float>()) EXPECT_LT(std::abs(v / grid.scale), 2147483648.0) << "int32 overflow";
      }
    }
  }
}

TEST(DeadChannels, ARarelyActiveChannelIsNotDead) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  Tensor b1 = random_tensor({6}, 2, 0.5f, 1.0f);
  b1.mutable_data<float>()[1] = -4.0f;  // three deviations below zero, never open on the samples
  x = b.node("Relu", {b.node("Conv", {x, b.random("w1", {6, 3, 1, 1}, -1.0f, 1.0f), b.constant("b1", b1)}, "c1")}, "a1");
  b.output(b.node("Conv", {x, b.random("w2", {4, 6, 1, 1})}, "y"));
  model::ModelState state = b.build();
  const MemorySource source(state.graph, 8);
  EXPECT_EQ(row(optimized(state, &source, {"dead-channels"}), "dead-channels").decision, "nothing to do");
}

// ---- absorption ------------------------------------------------------------------------------------------------------

model::ModelState high_bias(bool padded) {
  GraphBuilder b;
  ir::ValueId x = b.input("x", {1, 3, 8, 8});
  x = b.node("Relu", {b.node("Conv", {x, b.random("w1", {6, 3, 1, 1}, -0.3f, 0.3f), b.random("b1", {6}, 5.0f, 9.0f)}, "c1")}, "a1");
  b.output(b.node("Conv", {x, b.random("w2", {4, 6, 3, 3}), b.random("b2", {4})}, "y", {{"pads", padded ? Ints{1, 1, 1, 1} : Ints{0, 0, 0, 0}}}));
  return b.build();
}

TEST(HighBiasAbsorption, IsExactWithoutPaddingAndSkippedWithIt) {
  model::ModelState state = high_bias(false);
  const ir::Graph original = state.graph;
  const MemorySource source(state.graph, 16);
  const OptimizeResult result = optimized(state, &source, {"hba"}, {.accept = Accept::kAlways});
  EXPECT_EQ(row(result, "hba").outcome.changes, 6);
  EXPECT_LT(relative_difference(original, state.graph, source), 1e-5);
  EXPECT_LT(state.graph.constant(state.graph.find_value("b1"))->data<float>()[0], 3.0f);

  model::ModelState padded = high_bias(true);
  EXPECT_EQ(row(optimized(padded, &source, {"hba"}), "hba").decision, "nothing to do");
}

// ---- bias correction -------------------------------------------------------------------------------------------------

TEST(BiasCorrection, TakesTheMeanErrorOfRoundedWeightsAway) {
  model::ModelState state = network();
  const MemorySource source(state.graph, 12);
  const model::TargetProfile profile = dsp();
  const Quantizer q = quantizer(profile);
  q.plan(state);
  q.encode(state, q.calibrate(state, source));
  SilentReporter reporter;
  Candidate candidate{state, collect_statistics(state.graph, source, 2, reporter)};
  EXPECT_EQ(correct_biases(candidate).corrected, 4);
  // The first layer sees the same input in both: its mean output with rounded weights is now that of the float layer.
  const auto mean_of_c1 = [&](const ir::Graph& graph, const model::EncodingTable* encodings) {
    ir::Graph copy = graph;
    copy.outputs = {copy.find_value("c1")};
    std::vector<double> mean(16, 0.0);
    for (int64_t s = 0; s < source.size(); ++s) {
      const auto out = run(copy, source, s, encodings);
      for (size_t i = 0; i < out.size(); ++i) mean[i / (out.size() / 16)] += out[i] / static_cast<double>(out.size() / 16 * 12);
    }
    return mean;
  };
  model::EncodingTable weight_only;
  const ir::ValueId w1 = state.graph.find_value("w1");
  weight_only[w1] = state.encodings.at(w1);
  const auto exact = mean_of_c1(state.graph, nullptr), rounded = mean_of_c1(state.graph, &weight_only), corrected = mean_of_c1(candidate.state.graph, &weight_only);
  double worst_before = 0.0;
  for (size_t c = 0; c < exact.size(); ++c) {
    worst_before = std::max(worst_before, std::abs(rounded[c] - exact[c]));
    EXPECT_NEAR(corrected[c], exact[c], 1e-4 * (1.0 + std::abs(exact[c])));
  }
  EXPECT_GT(worst_before, 1e-2) << "there must be something to correct";
}

// user-asks T8
TEST(BiasCorrection, With8BitBiasesIsWarnedAboutAndMeasured) {
  model::ModelState state = network();
  const MemorySource source(state.graph, 32);
  RecordingReporter reporter;
  (void)optimized(state, &source, {"bc"}, {}, 8, &reporter);
  ASSERT_EQ(reporter.entries.size(), 1u);
  EXPECT_EQ(reporter.entries[0].severity, Severity::kWarning);
  EXPECT_THAT(reporter.entries[0].message, ::testing::HasSubstr("bc with 8-bit biases"));
  EXPECT_THAT(reporter.entries[0].message, ::testing::HasSubstr("measured: "));
  EXPECT_THAT(reporter.entries[0].message, ::testing::HasSubstr("--bias_bitwidth 32"));
  RecordingReporter quiet;
  model::ModelState wide = network();
  (void)optimized(wide, &source, {"bc"}, {}, 32, &quiet);
  EXPECT_TRUE(quiet.entries.empty());
}

// ---- data-free -------------------------------------------------------------------------------------------------------

TEST(DataFree, NeedsNoSamples) {
  model::ModelState state = network();
  const ir::Graph original = state.graph;
  const OptimizeResult result = optimized(state, nullptr, {"cle", "bc"});
  EXPECT_EQ(row(result, "cle").decision, "kept");
  EXPECT_EQ(row(result, "bc").decision, "kept");
  EXPECT_EQ(result.held_out, 0);
  for (const char* name : {"x", "a1", "a2", "a3", "y"}) EXPECT_TRUE(state.encodings.contains(state.graph.find_value(name))) << name;
  const MemorySource source(original, 8, -1.7f, 1.7f);  // deviation 1, as data-free takes inputs to be
  const Judge judge(original, source, 1);
  EXPECT_GT(judge.score(state).sqnr_db, 15.0);
}

TEST(Judge, TellsRowsOfDifferentMagnitudeApart) {
  GraphBuilder b;
  const ir::ValueId x = b.input("x", {1, 6, 50});
  Tensor scale(DType::kFloat32, {1, 6, 1});
  for (size_t i = 0; i < 6; ++i) scale.mutable_data<float>()[i] = i < 4 ? 300.0f : 0.5f;
  b.output(b.node("Mul", {x, b.constant("scale", scale)}, "y"));
  model::ModelState state = b.build();
  const MemorySource source(state.graph, 4);
  const Judge judge(state.graph, source, 1);
  state.encodings[state.graph.find_value("y")] = {quant::encoding_from_ranges({}, std::vector<quant::Range>{{-600.0, 600.0}})};
  const Score score = judge.score(state);
  ASSERT_EQ(score.blocks.size(), 2u);
  EXPECT_GT(score.blocks[0].sqnr_db, 35.0);
  EXPECT_LT(score.blocks[1].sqnr_db, 1.0) << "small rows all fall on level 0";
  EXPECT_LT(score.sqnr_db, 4.0) << "one SQNR over everything would read above 35 dB";
}

}  // namespace
}  // namespace qtool::optimize::testing
