// calibrate() against statistics computed value by value with the interpreter.
#include "qtool/calib/calibrator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/calib/registry.h"
#include "qtool/ops/interpreter.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "support/graph_builder.h"

namespace qtool::calib {
namespace {

using qtool::testing::GraphBuilder;
using qtool::testing::random_tensor;

class MemorySource final : public data::SampleSource {
 public:
  explicit MemorySource(std::vector<data::Sample> samples) : samples_(std::move(samples)) {}
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  data::Sample load(int64_t index) const override { return samples_[static_cast<size_t>(index)]; }
  std::string name(int64_t index) const override { return format("sample-{}.npy", index); }

 private:
  std::vector<data::Sample> samples_;
};

constexpr unsigned kSamples = 7;

std::vector<data::Sample> samples(Shape shape = {1, 3, 6, 5}) {
  std::vector<data::Sample> list;
  for (unsigned i = 0; i < kSamples; ++i) {
    const float reach = 0.25f * static_cast<float>(i + 1);
    list.push_back({{"x", random_tensor(shape, 100 + i, -reach, 2.0f * reach)}});
  }
  return list;
}

// Two convolutions with SiLU and Relu; the channel counts leave padding lanes in channel blocks.
struct Network {
  ir::Graph graph;
  std::vector<ir::ValueId> observed;
};

Network network() {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 6, 5});
  const auto c1 = b.node("Conv", {x, b.random("w1", {20, 3, 3, 3}, -0.4f, 0.4f), b.random("b1", {20})}, "c1");
  const auto gate = b.node("Sigmoid", {c1}, "gate");
  const auto y1 = b.node("Mul", {c1, gate}, "y1");
  const auto c2 = b.node("Conv", {y1, b.random("w2", {7, 20, 1, 1}, -0.3f, 0.3f)}, "c2");
  const auto y2 = b.node("Relu", {c2}, "y2");
  b.output(y2);
  return {.graph = b.build().graph, .observed = {x, c1, gate, y1, y2}};
}

CalibrationResult run(const Network& net, const std::vector<data::Sample>& list, CalibrationOptions options = {}) {
  SilentReporter silent;
  return calibrate(net.graph, net.observed, MemorySource(list), options, silent);
}

bool same_statistics(const TensorStatistics& a, const TensorStatistics& b) {
  return a.range == b.range && a.count == b.count && a.non_finite == b.non_finite && a.histogram == b.histogram;
}

void expect_same(const CalibrationResult& a, const CalibrationResult& b, const std::string& what) {
  ASSERT_EQ(a.statistics.size(), b.statistics.size());
  for (const auto& [id, statistics] : a.statistics) {
    EXPECT_TRUE(same_statistics(statistics, b.statistics.at(id))) << what << ", value " << static_cast<uint32_t>(id);
  }
}

TEST(Calibrate, StatisticsAreThoseOfEveryValueOfEverySample) {
  const Network net = network();
  std::map<ir::ValueId, std::vector<float>> values;
  for (const data::Sample& sample : samples()) {
    const std::vector<Tensor> inputs = {sample.at("x")};
    const auto keep = [&](ir::ValueId id, const Tensor& tensor) {
      const auto list = tensor.data<float>();
      values[id].insert(values[id].end(), list.begin(), list.end());
    };
    keep(net.graph.inputs[0], inputs[0]);
    (void)ops::interpret(net.graph, ops::builtin_registry(), inputs, [&](const ir::Node& node, std::span<const Tensor> outputs) {
      keep(node.outputs[0], outputs[0]);
    });
  }
  for (const bool histograms : {false, true}) {
    const CalibrationResult result = run(net, samples(), {.histograms = histograms});
    EXPECT_EQ(static_cast<int64_t>(kSamples), result.samples);
    ASSERT_EQ(net.observed.size(), result.statistics.size());
    for (const ir::ValueId id : net.observed) {
      const TensorStatistics& found = result.statistics.at(id);
      const auto [lo, hi] = std::minmax_element(values[id].begin(), values[id].end());
      const double tolerance = 1e-5 * std::max(std::abs(*lo), std::abs(*hi));  // fast kernels against the interpreter
      EXPECT_NEAR(*lo, found.range.lo, tolerance) << net.graph.value(id).name;
      EXPECT_NEAR(*hi, found.range.hi, tolerance) << net.graph.value(id).name;
      EXPECT_EQ(static_cast<int64_t>(values[id].size()), found.count) << "padding lanes must not count";
      EXPECT_EQ(0, found.non_finite);
      ASSERT_EQ(histograms, found.histogram.has_value());
      if (histograms) {
        EXPECT_EQ(found.count, found.histogram->finite_count());
      }
    }
    // The input is exactly what was fed.
    const auto [lo, hi] = std::minmax_element(values[net.observed[0]].begin(), values[net.observed[0]].end());
    EXPECT_EQ((quant::Range{*lo, *hi}), result.statistics.at(net.observed[0]).range);
    if (histograms) {
      quant::Histogram expected;
      expected.add(values[net.observed[0]]);
      EXPECT_EQ(expected, *result.statistics.at(net.observed[0]).histogram);
    }
  }
}

TEST(Calibrate, DoesNotDependOnThreadsOrOrder) {
  const Network net = network();
  for (const bool histograms : {false, true}) {
    const CalibrationResult expected = run(net, samples(), {.threads = 1, .histograms = histograms});
    auto reversed = samples();
    std::reverse(reversed.begin(), reversed.end());
    for (const int threads : {1, 2, 3, 50}) {
      const CalibrationOptions options{.threads = threads, .histograms = histograms};
      expect_same(expected, run(net, samples(), options), format("{} threads", threads));
      expect_same(expected, run(net, reversed, options), format("{} threads, reversed", threads));
    }
  }
}

TEST(Calibrate, ChannelStatisticsDoNotDependOnThreadsAndNeedNoObservedTensor) {
  Network net = network();
  const ir::ValueId c2 = net.graph.find_value("c2");
  CalibrationOptions options{.histograms = true, .channel_axes = {{net.observed[3], 1}, {c2, 1}}};
  const CalibrationResult one = run(net, samples(), options);
  options.threads = 3;
  const CalibrationResult three = run(net, samples(), options);
  for (const ir::ValueId id : {net.observed[3], c2}) {
    const TensorStatistics& found = one.statistics.at(id);
    ASSERT_TRUE(found.channels.has_value());
    EXPECT_EQ(id == c2 ? 7u : 20u, found.channels->channels());
    EXPECT_EQ(static_cast<int64_t>(kSamples) * 4 * 3, found.channels->count[0]);
    EXPECT_EQ(*found.channels, *three.statistics.at(id).channels);
  }
  EXPECT_FALSE(one.statistics.at(c2).histogram.has_value());
  EXPECT_FALSE(one.statistics.at(net.observed[0]).channels.has_value());
}

TEST(Calibrate, NonFiniteValuesAreCountedApart) {
  GraphBuilder b;
  const auto x = b.input("x", {4});
  b.output(b.node("Neg", {x}, "y"));
  const Network net{.graph = b.build().graph, .observed = {x}};
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  const std::vector<data::Sample> list = {{{"x", Tensor::from<float>({4}, {kNan, kNan, kInf, kNan})}},
                                          {{"x", Tensor::from<float>({4}, {-1.0f, kNan, 3.0f, -kInf})}}};
  for (const bool histograms : {false, true}) {
    const CalibrationResult result = run(net, list, {.histograms = histograms});
    const TensorStatistics& found = result.statistics.at(x);
    EXPECT_EQ(6, found.non_finite);
    EXPECT_EQ(2, found.count);
    EXPECT_EQ((quant::Range{-1.0, 3.0}), found.range);
  }
}

TEST(Calibrate, OnlyNonFiniteValuesLeaveTheStatisticsEmpty) {
  GraphBuilder b;
  const auto x = b.input("x", {1});
  b.output(b.node("Neg", {x}, "y"));
  const Network net{.graph = b.build().graph, .observed = {x}};
  const auto result = run(net, {{{"x", Tensor::from<float>({1}, {std::numeric_limits<float>::quiet_NaN()})}}});
  EXPECT_TRUE(result.statistics.at(x).empty());
  EXPECT_EQ(1, result.statistics.at(x).non_finite);
}

// What went wrong, with the context it carries.
std::string refusal(const Network& net, const std::vector<data::Sample>& list, int threads = 1) {
  try {
    (void)run(net, list, {.threads = threads});
  } catch (const Error& error) {
    EXPECT_EQ(ErrorCode::kInvalidData, error.code());
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Calibrate, ASampleThatDoesNotFitNamesItself) {
  for (const int threads : {1, 3}) {
    auto list = samples();
    list[4] = {{"x", Tensor(DType::kFloat32, {1, 3, 6, 6})}};
    const std::string text = refusal(network(), list, threads);
    EXPECT_NE(std::string::npos, text.find("sample-4.npy")) << text;
    EXPECT_NE(std::string::npos, text.find("[1, 3, 6, 6]")) << text;
  }
}

TEST(Calibrate, ASampleWithoutTheInputNamesBoth) {
  auto list = samples();
  list[2] = {{"picture", Tensor(DType::kFloat32, {1, 3, 6, 5})}};
  const std::string text = refusal(network(), list);
  EXPECT_NE(std::string::npos, text.find("sample-2.npy")) << text;
  EXPECT_NE(std::string::npos, text.find("tensor: x")) << text;
}

TEST(Calibrate, NoSampleIsAnError) { EXPECT_NE(std::string::npos, refusal(network(), {}).find("no calibration sample")); }

TEST(TensorStatistics, MergingWithNothingChangesNothing) {
  TensorStatistics some{.range = {1.0, 2.0}, .count = 3, .non_finite = 1, .histogram = {}};
  const TensorStatistics nothing{.range = {}, .count = 0, .non_finite = 2, .histogram = {}};
  TensorStatistics left = some;
  left.merge(nothing);
  EXPECT_EQ((quant::Range{1.0, 2.0}), left.range);  // the empty [0, 0] is no observation
  EXPECT_EQ(3, left.non_finite);
  TensorStatistics right = nothing;
  right.merge(some);
  EXPECT_TRUE(same_statistics(left, right));
}

TEST(Methods, AliasesOfOtherToolsAreKnown) {
  for (const char* name : {"tf", "minmax", "min_max", "post_training_tf"}) EXPECT_EQ("min-max", builtin_registry().at(name).name);
}

TEST(Methods, AnUnknownNameGetsTheNearest) {
  try {
    (void)builtin_registry().at("min-mix");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(ErrorCode::kUsage, error.code());
    EXPECT_NE(std::string::npos, std::string(error.what()).find("min-max"));
  }
}

}  // namespace
}  // namespace qtool::calib
