#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "qtool/calib/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"

namespace qtool::calib {
namespace {

TensorStatistics statistics_of(const std::vector<float>& values) {
  TensorStatistics statistics;
  statistics.histogram.emplace().add(values);
  statistics.range = statistics.histogram->range();
  statistics.count = statistics.histogram->finite_count();
  return statistics;
}

// A bell with a few far outliers: what clipping is for.
std::vector<float> heavy_tailed(bool one_sided) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> values(20000);
  for (float& value : values) value = one_sided ? std::abs(normal(random)) : normal(random);
  values[17] = 60.0f;
  return values;
}

double noise_of(const std::vector<float>& values, const quant::Range& range, const quant::QuantSpec& spec) {
  const Tensor tensor = Tensor::from<float>({static_cast<int64_t>(values.size())}, std::span<const float>(values));
  return quant::quantization_error(tensor, quant::encoding_from_ranges(spec, {&range, 1})).noise_power;
}

class EveryMethod : public ::testing::TestWithParam<std::string> {
 protected:
  const Method& method() const { return builtin_registry().at(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Builtin, EveryMethod, ::testing::ValuesIn(builtin_registry().names()),
                         [](const auto& info) { return info.param == "min-max" ? "minmax" : info.param; });

TEST_P(EveryMethod, RangeStaysInsideTheObservedOne) {
  for (const bool one_sided : {false, true}) {
    const TensorStatistics statistics = statistics_of(heavy_tailed(one_sided));
    const quant::Range range = method().range(statistics, {}, {});
    EXPECT_GE(range.lo, std::min(0.0, statistics.range.lo));
    EXPECT_LE(range.hi, statistics.range.hi);
    EXPECT_LT(range.lo, range.hi);
  }
}

TEST_P(EveryMethod, AllZeroAndConstantTensorsKeepTheirRange) {
  EXPECT_EQ(method().range(statistics_of(std::vector<float>(64, 0.0f)), {}, {}), (quant::Range{0.0, 0.0}));
  const quant::Range range = method().range(statistics_of(std::vector<float>(64, 2.5f)), {}, {});
  EXPECT_NEAR(range.hi, 2.5, 0.02);
}

TEST_P(EveryMethod, OrderOfTheDataDoesNotMatter) {
  std::vector<float> values = heavy_tailed(false);
  const quant::Range forward = method().range(statistics_of(values), {}, {});
  std::reverse(values.begin(), values.end());
  EXPECT_EQ(method().range(statistics_of(values), {}, {}), forward);
}

TEST(Mse, IsFarBetterThanMinMaxOnOutliers) {
  const std::vector<float> values = heavy_tailed(true);
  const TensorStatistics statistics = statistics_of(values);
  // Without the single value of 60 the noise must drop by far; the clipped value itself is left out of the comparison.
  std::vector<float> ordinary = values;
  ordinary[17] = 0.0f;
  const quant::Range range = builtin_registry().at("mse").range(statistics, {.bits = 4}, {});
  EXPECT_LT(noise_of(values, range, {.bits = 4}), noise_of(values, statistics.range, {.bits = 4}));
  EXPECT_LT(noise_of(ordinary, range, {.bits = 4}), 0.5 * noise_of(ordinary, statistics.range, {.bits = 4}));
}

TEST(Sqnr, ClipsLessThanMse) {
  const TensorStatistics statistics = statistics_of(heavy_tailed(true));
  EXPECT_GE(builtin_registry().at("sqnr").range(statistics, {.bits = 4}, {}).hi,
            builtin_registry().at("mse").range(statistics, {.bits = 4}, {}).hi);
}

TEST(Percentile, CutsOnlyTheTailThatExists) {
  std::vector<float> values;
  for (int i = 0; i < 10000; ++i) values.push_back(static_cast<float>(i) / 10000.0f);  // uniform on [0, 1)
  const quant::Range range = builtin_registry().at("percentile").range(statistics_of(values), {}, {.percentile = 95.0});
  EXPECT_EQ(range.lo, 0.0);
  EXPECT_NEAR(range.hi, 0.95, 0.002);
  for (float& value : values) value -= 0.5f;  // both signs: half of the rest on each side
  const quant::Range both = builtin_registry().at("percentile").range(statistics_of(values), {}, {.percentile = 95.0});
  EXPECT_NEAR(both.lo, -0.475, 0.002);
  EXPECT_NEAR(both.hi, 0.475, 0.002);
}

TEST(Registry, KnowsTheSpellingsOfOtherTools) {
  EXPECT_EQ(builtin_registry().at("tf").name, "min-max");
  EXPECT_EQ(builtin_registry().at("enhanced").name, "sqnr");
  EXPECT_THROW((void)builtin_registry().at("mee"), Error);
}

}  // namespace
}  // namespace qtool::calib
