// Selective precision on a detector made here: boxes of up to 640 and scores of at most 1 in one output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "dead_outputs.h"
#include "qtool/exec/executor.h"
#include "quantized_model.h"
#include "support/graph_builder.h"
#include "support/memory_source.h"

namespace qtool::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using qtool::testing::Attributes;
using qtool::testing::GraphBuilder;
using qtool::testing::MemorySource;
using qtool::testing::random_tensor;

constexpr int64_t kChannels = 8, kClasses = 3, kCells = 16;

// How an exporter names and orders what is the same network.
struct Dialect {
  std::string prefix;
  bool scores_first = false;     // order of the nodes in the file
  bool constants_left = false;   // Mul(c, x) instead of Mul(x, c)
};

// body: Conv, Relu. boxes: Conv -> Reshape -> * 40 -> + anchors (0..600). scores: Conv -> Reshape -> Sigmoid. Concat.
model::ModelState detector(const Dialect& d) {
  GraphBuilder b;
  const auto name = [&](const std::string& role) { return d.prefix + role; };
  const auto x = b.input("images", {1, 3, 4, 4});
  const auto conv = [&](ir::ValueId in, int64_t from, int64_t to, const std::string& role, unsigned seed) {
    return b.node("Conv", {in, b.constant(name(role + ".w"), random_tensor({to, from, 1, 1}, seed, -0.5f, 0.5f))}, name(role));
  };
  const auto body = b.node("Relu", {conv(x, 3, kChannels, "stem", 1)}, name("body"));
  const auto binary = [&](const std::string& op, ir::ValueId value, Tensor constant, const std::string& role) {
    const auto c = b.constant(name(role + ".c"), std::move(constant));
    return d.constants_left ? b.node(op, {c, value}, name(role)) : b.node(op, {value, c}, name(role));
  };
  const auto flat = [&](ir::ValueId value, int64_t rows, const std::string& role) {
    return b.node("Reshape", {value, b.constant(name(role + ".s"), qtool::testing::ints({1, rows, kCells}))}, name(role));
  };
  ir::ValueId boxes{}, scores{};
  const auto make_boxes = [&] {
    const auto raw = flat(conv(body, kChannels, 4, "raw_boxes", 2), 4, "flat_boxes");
    Tensor anchors(DType::kFloat32, {1, 1, kCells});
    for (int64_t i = 0; i < kCells; ++i) anchors.mutable_data<float>()[static_cast<size_t>(i)] = 40.0f * static_cast<float>(i);
    boxes = binary("Add", binary("Mul", raw, Tensor::scalar(8.0f), "pixels"), anchors, "boxes");
  };
  const auto make_scores = [&] { scores = b.node("Sigmoid", {flat(conv(body, kChannels, kClasses, "logits", 3), kClasses, "flat_logits")}, name("scores")); };
  d.scores_first ? make_scores() : make_boxes();
  d.scores_first ? make_boxes() : make_scores();
  b.output(b.node("Concat", {boxes, scores}, "output", {{"axis", int64_t{1}}}));
  return b.build();
}

QuantizedModel quantized(const Dialect& dialect, std::vector<std::string> optimizations, const std::string& cost_model = "") {
  std::vector<data::Sample> samples;
  for (unsigned seed = 0; seed < 32; ++seed) samples.push_back({{"images", random_tensor({1, 3, 4, 4}, 100 + seed)}});
  CalibrationData data;
  data.source = std::make_unique<MemorySource>(std::move(samples));
  data.sample_sha256.resize(32);
  QuantizeConfig config;
  config.model.path = "detector.onnx";
  config.profile = "htp";
  config.optimizations = std::move(optimizations);
  config.cost_model = cost_model;
  SilentReporter silent;
  StageClock clock;
  return quantize_in_memory(config, {.state = detector(dialect)}, data, clock, silent);
}

// Roles, without the exporter's prefix.
std::vector<std::string> roles(const QuantizedModel& model, const std::string& prefix) {
  std::vector<std::string> found;
  for (const auto& choice : model.precision->choices) {
    const std::string& name = model.model.state.graph.value(choice.value).name;
    found.push_back(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  }
  std::ranges::sort(found);
  return found;
}

// Largest error of the score rows of one sample.
double score_error(const QuantizedModel& model) {
  const Tensor input = random_tensor({1, 3, 4, 4}, 777);
  const auto& graph = model.model.state.graph;
  const Tensor want = exec::Executor(graph, {}).new_session().run({input})[0];
  const Tensor got = exec::Executor(graph, {.encodings = &model.model.state.encodings}).new_session().run({input})[0];
  double worst = 0.0;
  for (size_t i = 4 * kCells; i < want.data<float>().size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(want.data<float>()[i]) - got.data<float>()[i]));
  }
  return worst;
}

const Dialect kPlain{.prefix = "model.22/"};
const Dialect kOther{.prefix = "x_", .scores_first = true, .constants_left = true};

TEST(SelectivePrecision, TheHeadIsFoundWithoutNames) {
  const QuantizedModel plain = quantized(kPlain, {"head"}), other = quantized(kOther, {"head"});
  const std::vector<std::string> expected = {"boxes", "output", "pixels"};
  EXPECT_EQ(roles(plain, kPlain.prefix), expected);
  EXPECT_EQ(roles(other, kOther.prefix), expected);
}

TEST(SelectivePrecision, AnotherExportersNamesAndOrderGiveTheSameDecision) {
  const QuantizedModel plain = quantized(kPlain, {"selective"}), other = quantized(kOther, {"selective"});
  EXPECT_EQ(roles(plain, kPlain.prefix), roles(other, kOther.prefix));
  ASSERT_EQ(plain.precision->steps.size(), other.precision->steps.size());
  for (size_t i = 0; i < plain.precision->steps.size(); ++i) {
    EXPECT_DOUBLE_EQ(plain.precision->steps[i].score_db, other.precision->steps[i].score_db);
    EXPECT_DOUBLE_EQ(plain.precision->steps[i].cost, other.precision->steps[i].cost);
  }
}

TEST(SelectivePrecision, PlainQuantizationWarnsOfDeadScores) {
  const QuantizedModel model = quantized(kPlain, {});
  EXPECT_THAT(model.warnings, ::testing::Contains(HasSubstr("cannot share 8 bits")));
  EXPECT_GT(score_error(model), 0.5);
}

TEST(SelectivePrecision, AutoLeavesScoresWithinALevelOfTheirOwnScale) {
  const QuantizedModel model = quantized(kPlain, {"auto"});
  ASSERT_TRUE(model.search);
  EXPECT_THAT(model.warnings, Not(::testing::Contains(HasSubstr("cannot share 8 bits"))));
  // The Sigmoid in front has an 8-bit grid of its own, and so has what it reads: a level in the output.
  EXPECT_LT(score_error(model), 1.0 / 255.0 + 0.02);
}

// What the join itself does to scores that lie on their own 8-bit grid: 16 bits over 640 pixels move them by more than a level.
TEST(SelectivePrecision, JoinedOutputsStayFloatWhereSixteenBitsAreTooCoarse) {
  // In a network as small as this one the output is much of the cost.
  const std::string rates = ::testing::TempDir() + "free_bytes.json";
  std::ofstream(rates) << R"({"schema": 1, "name": "free bytes", "cost": {"byte": 0, "convert_byte": 0}})";
  const QuantizedModel model = quantized(kPlain, {"selective"}, rates);
  const auto& graph = model.model.state.graph;
  EXPECT_EQ(model::find_encoding(model.model.state.encodings, graph.outputs[0]), nullptr);
  EXPECT_THAT(model.precision->steps.back().name, HasSubstr("in float"));
  EXPECT_TRUE(model.precision->steps.back().kept);
  const ir::ValueId scores = graph.node(graph.producer(graph.outputs[0])).inputs[1];
  EXPECT_EQ(model::find_encoding(model.model.state.encodings, scores)->bits, 8);
}

TEST(SelectivePrecision, AutoSettlesOnOptionsThatNeedNoSearch) {
  const QuantizedModel searched = quantized(kPlain, {"auto"});
  ASSERT_TRUE(searched.resolved);
  EXPECT_FALSE(searched.resolved->automatic());
  EXPECT_FALSE(searched.resolved->chooses_precision());
  EXPECT_THAT(searched.resolved->wide_activations, Not(IsEmpty()));
}

// A layer whose rows hold one huge weight, for a channel that is silent: 8 bits leave nothing of the others.
QuantizedModel with_lopsided_weights(const std::string& profile, const std::vector<std::string>& optimizations, const std::vector<std::string>& wide = {}) {
  GraphBuilder b;
  const auto x = b.input("images", {1, 3, 4, 4});
  Tensor lopsided = random_tensor({8, 3, 1, 1}, 5, -0.5f, 0.5f);
  for (size_t row = 0; row < 8; ++row) lopsided.mutable_data<float>()[3 * row] = 60.0f;
  const auto stem = b.node("Relu", {b.node("Conv", {x, b.constant("lopsided", std::move(lopsided))}, "stem")}, "body");
  b.output(b.node("Conv", {stem, b.constant("plain", random_tensor({8, 8, 3, 3}, 6, -0.5f, 0.5f))}, "y", {{"pads", qtool::testing::Ints{1, 1, 1, 1}}}));
  std::vector<data::Sample> samples;
  for (unsigned seed = 0; seed < 32; ++seed) {
    Tensor image = random_tensor({1, 3, 4, 4}, 100 + seed);
    for (size_t i = 0; i < 16; ++i) image.mutable_data<float>()[i] = 0.0f;
    samples.push_back({{"images", std::move(image)}});
  }
  CalibrationData data;
  data.source = std::make_unique<MemorySource>(std::move(samples));
  data.sample_sha256.resize(32);
  QuantizeConfig config;
  config.model.path = "lopsided.onnx";
  config.profile = profile;
  config.optimizations = optimizations;
  config.search.target_cost = 2.0;
  if (!wide.empty()) config.wide_activations = {"images"}, config.wide_weights = wide;
  SilentReporter silent;
  StageClock clock;
  return quantize_in_memory(config, {.state = b.build()}, data, clock, silent);
}

const quant::Encoding& encoding_of(const QuantizedModel& model, const std::string& name) {
  return *model::find_encoding(model.model.state.encodings, model.model.state.graph.find_value(name));
}

TEST(SelectivePrecision, ALayerThatEightBitsRuinHasSixteenBitWeightsAndInput) {
  const QuantizedModel model = with_lopsided_weights("htp", {"selective"});
  EXPECT_EQ(encoding_of(model, "lopsided").bits, 16);
  EXPECT_EQ(encoding_of(model, "images").bits, 16);
  EXPECT_EQ(encoding_of(model, "plain").bits, 8);
  EXPECT_EQ(model.precision->steps.back().wide.weights, 1u);
}

TEST(SelectivePrecision, NoWideWeightsWhereTheProfileHasNone) {
  for (const char* profile : {"htp-v68", "dsp"}) EXPECT_EQ(encoding_of(with_lopsided_weights(profile, {"selective"}), "lopsided").bits, 8) << profile;
}

TEST(SelectivePrecision, WideWeightsByNameGiveTheSameEncoding) {
  const QuantizedModel searched = with_lopsided_weights("htp", {"selective"}), named = with_lopsided_weights("htp", {}, {"lopsided"});
  EXPECT_EQ(encoding_of(searched, "lopsided").grids[0].scale, encoding_of(named, "lopsided").grids[0].scale);
  EXPECT_EQ(encoding_of(named, "lopsided").bits, 16);
}

}  // namespace
}  // namespace qtool::pipeline
