// The whole walk on a small network.
#include "qtool/rounding/adaround.h"
#include "qtool/rounding/rounding_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "network_fixture.h"
#include "qtool/support/error.h"

namespace qtool::rounding {
namespace {

model::ModelState network_with_channel_scales() {
  model::ModelState state = network();
  for (const char* name : {"w1", "w2", "w3"}) {
    const ir::ValueId id = state.graph.find_value(name);
    const quant::QuantSpec spec{.bits = 4, .symmetry = quant::Symmetry::kSymmetric, .channel_axis = 0};
    state.encodings[id].encoding = quant::encoding_from_ranges(spec, quant::tensor_ranges(*state.graph.constant(id), 0));
  }
  return state;
}

SilentReporter silent;

TEST(Adaround, OutputsComeNearerAndWeightsLieOnFrozenGrids) {
  const model::ModelState original = network();
  model::ModelState state = network();
  const AdaroundReport report = adaround(state, MemorySource(32), {}, silent);
  ASSERT_EQ(report.layers.size(), 4u);
  for (const LayerReport& layer : report.layers) EXPECT_LE(layer.error, layer.error_nearest) << layer.node;
  EXPECT_LT(output_error(state, original), 0.3 * output_error(original, original));
  for (const char* name : {"w1", "w2", "w3", "w4"}) {
    const ir::ValueId id = state.graph.find_value(name);
    EXPECT_TRUE(state.encodings.at(id).frozen);
    const Tensor& weight = *state.graph.constant(id);
    EXPECT_TRUE(quant::fake_quantize(weight, state.encodings.at(id).encoding).identical(weight)) << name;
  }
}

TEST(Adaround, SameBytesForAnyThreadCount) {
  model::ModelState one = network(), three = network();
  (void)adaround(one, MemorySource(13), {.threads = 1}, silent);
  (void)adaround(three, MemorySource(13), {.threads = 3}, silent);
  expect_equal(one, three);
}

TEST(Adaround, ARunThatDiffersInActivationsOnlyIsTakenOver) {
  RoundingMemory memory;
  model::ModelState first = network(8), second = network(8), alone = network(8), narrower = network(7);
  const quant::QuantSpec wide{.bits = 16, .symmetry = quant::Symmetry::kAsymmetric};
  for (model::ModelState* state : {&second, &alone}) {
    for (const char* name : {"r1", "r2", "sum"}) encode(*state, name, wide, {-4.0, 4.0});
  }
  const MemorySource source(9);
  (void)adaround(first, source, {.memory = &memory}, silent);
  const int loads = source.loads();
  const AdaroundReport report = adaround(second, source, {.memory = &memory}, silent);
  EXPECT_LT(source.loads() - loads, loads);  // only biases are settled anew, which does depend on activations
  EXPECT_EQ(report.layers.size(), 4u);
  (void)adaround(alone, source, {}, silent);
  expect_equal(second, alone);
  for (const char* name : {"w1", "w4"}) EXPECT_TRUE(second.encodings.at(second.graph.find_value(name)).frozen);
  // Other grids, seeds and samples are other runs; below 8 bits activations have a say in which layers get 8.
  const int before = source.loads();
  (void)adaround(narrower, source, {.memory = &memory}, silent);
  EXPECT_GT(source.loads(), before);
  model::ModelState other = network(8);
  const MemorySource more(10);
  (void)adaround(other, more, {.memory = &memory}, silent);
  EXPECT_GT(more.loads(), 0);
}

TEST(Adaround, WithoutMemoryForActivationsImagesAreRunAgain) {
  model::ModelState kept = network(), again = network();
  (void)adaround(kept, MemorySource(9), {}, silent);
  (void)adaround(again, MemorySource(9), {.frontier_bytes = 0}, silent);
  const model::ModelState original = network();
  EXPECT_NEAR(output_error(kept, original) / output_error(again, original), 1.0, 0.2);
}

TEST(Adaround, ActivationsWithSixteenBitsServeAsWell) {
  constexpr int64_t kBudget = 9 * 1024 * 4;  // nine images of 1024 values, half of what they take otherwise
  model::ModelState wide = network(), brief = network(), threaded = network();
  (void)adaround(wide, MemorySource(9), {}, silent);
  (void)adaround(brief, MemorySource(9), {.frontier_bytes = kBudget}, silent);
  (void)adaround(threaded, MemorySource(9), {.threads = 3, .frontier_bytes = kBudget}, silent);
  const model::ModelState original = network();
  EXPECT_NEAR(output_error(brief, original) / output_error(wide, original), 1.0, 0.2);
  expect_equal(brief, threaded);
}

TEST(Adaround, OneImageIsEnoughToRun) {
  model::ModelState state = network();
  EXPECT_EQ(adaround(state, MemorySource(1), {}, silent).layers.size(), 4u);
}

TEST(Adaround, SequentialMseLeavesWeightsAlone) {
  model::ModelState state = network();
  (void)adaround(state, MemorySource(16), {.method = Method::kSeqMse}, silent);
  expect_equal(state, network());
  EXPECT_TRUE(state.encodings.at(state.graph.find_value("w1")).frozen);
}

TEST(Adaround, FrozenAndWideWeightsAreLeftAloneWithAReason) {
  model::ModelState state = network();
  state.encodings.at(state.graph.find_value("w1")).frozen = true;
  encode_weight(state, "w2", 16);
  state.encodings.erase(state.graph.find_value("w3"));
  const AdaroundReport report = adaround(state, MemorySource(4), {}, silent);
  EXPECT_EQ(report.layers.size(), 1u);
  EXPECT_EQ(report.skipped, (std::vector<std::string>{"c1.node: its encoding is frozen", "c2.node: 16-bit weights", "c3.node: left in float"}));
}

TEST(Adaround, LayersThatCannotBearTwoBitsGetEightWithinTheShare) {
  const model::ModelState original = network(2);
  model::ModelState narrow = network(2), mixed = network(2);
  EXPECT_TRUE(adaround(narrow, MemorySource(32), {.wide_share = 0.0}, silent).widened.empty());
  const AdaroundReport report = adaround(mixed, MemorySource(32), {.wide_share = 0.5}, silent);
  ASSERT_FALSE(report.widened.empty());
  EXPECT_GT(report.widened_gain_db, 0.0);
  EXPECT_LE(report.widened_share, 0.5);
  EXPECT_LT(output_error(mixed, original), output_error(narrow, original));
  size_t wide = 0;
  for (const LayerReport& layer : report.layers) wide += layer.bits == 8 ? 1 : 0;
  EXPECT_EQ(wide, report.widened.size());
  for (const WidenedLayer& layer : report.widened) EXPECT_LT(layer.error_wide, layer.error) << layer.node;
}

TEST(Adaround, BlocksAreTriedAndKeptOnlyWhereTheirEndGains) {
  const AdaroundOptions options{.wide_share = 0.0, .blocks = true};
  model::ModelState one = network_with_channel_scales(), three = one, layerwise = one;
  const model::ModelState original = one;
  const AdaroundReport report = adaround(one, MemorySource(32), options, silent);
  EXPECT_EQ(report.blocks, 1u);  // c1 and c2 lie before the sum; c3 ends it, y is a block of one layer
  EXPECT_EQ(report.blocks_taken, 1u);
  EXPECT_TRUE(std::any_of(report.layers.begin(), report.layers.end(), [](const LayerReport& layer) { return layer.method == "descent, block"; }));
  AdaroundOptions threaded = options;
  threaded.threads = 3;
  (void)adaround(three, MemorySource(32), threaded, silent);
  expect_equal(one, three);
  EXPECT_EQ(adaround(layerwise, MemorySource(32), {.wide_share = 0.0}, silent).blocks, 0u);
  EXPECT_LT(output_error(one, original), 0.3 * output_error(original, original));
}

class Checkpoints : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  AdaroundOptions options(bool resume) const { return {.checkpoint = folder_, .checkpoint_key = "model", .resume = resume}; }
  // A run that fails at its last sample visit of the third layer.
  void interrupt() const {
    class Failing final : public data::SampleSource {
     public:
      int64_t size() const override { return 8; }
      data::Sample load(int64_t index) const override {
        if (++loads_ > 20) throw Error(ErrorCode::kIo, "unplugged");
        return MemorySource(8).load(index);
      }
      std::string name(int64_t) const override { return "sample"; }
     private:
      mutable int loads_ = 0;
    };
    model::ModelState state = network();
    AdaroundOptions o = options(false);
    o.frontier_bytes = 0;  // samples are read anew for every layer
    EXPECT_THROW((void)adaround(state, Failing(), o, silent), Error);
  }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("qtool_rounding_checkpoint_test" + std::to_string(getpid()));
};

TEST_F(Checkpoints, ResumedRunEndsWithTheSameBytes) {
  interrupt();
  ASSERT_TRUE(std::filesystem::exists(folder_ / "layer_00001.bin"));
  model::ModelState resumed = network(), whole = network();
  AdaroundOptions o = options(true);
  o.frontier_bytes = 0;
  EXPECT_EQ(adaround(resumed, MemorySource(8), o, silent).resumed, 2u);
  EXPECT_FALSE(std::filesystem::exists(folder_));
  (void)adaround(whole, MemorySource(8), {.frontier_bytes = 0}, silent);
  expect_equal(resumed, whole);
}

TEST_F(Checkpoints, OtherOptionsAreRefused) {
  interrupt();
  model::ModelState state = network();
  AdaroundOptions o = options(true);
  o.seed = 1;
  EXPECT_THROW((void)adaround(state, MemorySource(8), o, silent), Error);
}

TEST_F(Checkpoints, DamagedFileIsNamed) {
  interrupt();
  std::ofstream(folder_ / "layer_00000.bin", std::ios::trunc) << "short";
  model::ModelState state = network();
  AdaroundOptions o = options(true);
  o.frontier_bytes = 0;
  try {
    (void)adaround(state, MemorySource(8), o, silent);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layer_00000.bin"), std::string::npos);
  }
}

}  // namespace
}  // namespace qtool::rounding
