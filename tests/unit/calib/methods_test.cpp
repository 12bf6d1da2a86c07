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
  if (GetParam() == "adjusted") GTEST_SKIP() << "widens on purpose";
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

TEST(Adjusted, ZeroIsOnALevelAndNothingIsClipped) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> bound(0.01, 3.0);
  for (int i = 0; i < 1000; ++i) {
    const TensorStatistics statistics{.range = {-bound(random), bound(random)}, .count = 2};
    const quant::QuantSpec spec{.bits = i % 2 == 0 ? 8 : 4, .min_range = 1e-6};
    const quant::Range range = builtin_registry().at("adjusted").range(statistics, spec, {});
    const quant::Encoding grid = quant::encoding_from_ranges(spec, {&range, 1});
    EXPECT_LE(grid.min(), statistics.range.lo + 1e-9);
    EXPECT_GE(grid.max(), statistics.range.hi - 1e-9);
    // Less than one level wider than the observed range.
    EXPECT_LE(grid.max() - grid.min(), (statistics.range.hi - statistics.range.lo) * (1.0 + 2.0 / (grid.level_count() - 1)) + grid.grids[0].scale);
  }
}

// Divergence spelled out on values of a small integer lattice, where bins and values are the same thing.
TEST(Entropy, CutsALonelyOutlierAndKeepsAFlatDistribution) {
  std::vector<float> values = heavy_tailed(true);
  const quant::Range cut = builtin_registry().at("entropy").range(statistics_of(values), {}, {});
  EXPECT_LT(cut.hi, 20.0);
  EXPECT_GT(cut.hi, 2.5);
  std::vector<float> flat;
  for (int i = 0; i < 100000; ++i) flat.push_back(static_cast<float>(i) / 1e5f - 0.3f);
  const quant::Range kept = builtin_registry().at("entropy").range(statistics_of(flat), {}, {});
  EXPECT_LT(kept.lo, -0.28);
  EXPECT_GT(kept.hi, 0.68);
}

TEST(Entropy, OneSidedTensorsKeepTheirZeroEnd) {
  const quant::Range range = builtin_registry().at("entropy").range(statistics_of(heavy_tailed(true)), {}, {});
  EXPECT_LE(range.lo, 0.001);
}

TEST(Entropy, ExactZerosDoNotDragTheRangeDown) {
  std::vector<float> values = heavy_tailed(true);
  values[17] = 0.5f;
  const quant::Range without = builtin_registry().at("entropy").range(statistics_of(values), {}, {});
  values.insert(values.end(), 200000, 0.0f);  // as behind a Relu
  const quant::Range with = builtin_registry().at("entropy").range(statistics_of(values), {}, {});
  EXPECT_NEAR(without.hi, with.hi, 0.1 * without.hi);
}

TEST(Entropy, WideGridsGainNothingByClipping) {
  const TensorStatistics statistics = statistics_of(heavy_tailed(false));
  EXPECT_EQ(statistics.range, builtin_registry().at("entropy").range(statistics, {.bits = 16}, {}));
}

TEST(Registry, KnowsTheSpellingsOfOtherTools) {
  EXPECT_EQ(builtin_registry().at("tf").name, "min-max");
  EXPECT_EQ(builtin_registry().at("enhanced").name, "sqnr");
  EXPECT_EQ(builtin_registry().at("tf_enhanced").name, "sqnr");
  EXPECT_EQ(builtin_registry().at("kl").name, "entropy");
  EXPECT_EQ(builtin_registry().at("adjusted_weights").name, "adjusted");
  EXPECT_THROW((void)builtin_registry().at("mee"), Error);
}

}  // namespace
}  // namespace qtool::calib
