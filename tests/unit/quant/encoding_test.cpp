#include "qtool/quant/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"

namespace qtool::quant {
namespace {

struct Golden {
  double lo, hi;
  Symmetry symmetry;
  int bits;
  double scale;
  int64_t offset;
  double min, max;
};

class GoldenVector : public ::testing::TestWithParam<Golden> {};

// The vectors published with AIMET's formulas, minimum range 0.01; printed there with nine digits.
TEST_P(GoldenVector, IsReproduced) {
  const Golden& g = GetParam();
  const QuantSpec spec{.bits = g.bits, .symmetry = g.symmetry, .min_range = 0.01};
  const Range range{g.lo, g.hi};
  const Encoding encoding = encoding_from_ranges(spec, {&range, 1});
  EXPECT_NEAR(encoding.grids[0].scale, g.scale, 5e-9 * g.scale);
  EXPECT_EQ(encoding.grids[0].offset, g.offset);
  EXPECT_NEAR(encoding.min(), g.min, 6e-9);
  EXPECT_NEAR(encoding.max(), g.max, 6e-9);
}

constexpr auto kA = Symmetry::kAsymmetric;
constexpr auto kS = Symmetry::kSymmetric;
constexpr auto kStrict = Symmetry::kStrictSymmetric;
constexpr auto kU = Symmetry::kUnsignedSymmetric;
INSTANTIATE_TEST_SUITE_P(Published, GoldenVector, ::testing::Values(
    Golden{-1.8, 0.5, kA, 8, 0.00901960784, -200, -1.80392157, 0.49607843},
    Golden{-5.1, 5.1, kA, 8, 0.04, -128, -5.12, 5.08},
    Golden{0.2, 6.0, kA, 8, 0.02352941176, 0, 0, 6.0},
    Golden{-3, -1, kA, 8, 0.01176470588, -255, -3, 0},
    Golden{0, 0, kA, 8, 3.92156863e-5, 0, 0, 0.01},
    Golden{-1, 2, kA, 8, 0.01176470588, -85, -1, 2},
    Golden{-1, 2, kA, 4, 0.2, -5, -1, 2},
    Golden{-1, 2, kA, 16, 4.57770657e-5, -21845, -1, 2},
    Golden{-1, 2, kS, 8, 0.01574803150, -128, -2.01574803, 2},
    Golden{-1, 2, kStrict, 8, 0.01574803150, -127, -2, 2},
    Golden{0, 2, kU, 8, 0.00784313725, 0, 0, 2},
    Golden{0, 2, kS, 8, 0.01574803150, -128, -2.01574803, 2},
    Golden{-1, 2, kS, 4, 0.28571428571, -8, -2.28571429, 2},
    Golden{-1, 2, kStrict, 4, 0.28571428571, -7, -2, 2},
    Golden{-1, 2, kS, 16, 6.10370190e-5, -32768, -2.00006104, 2},
    Golden{0, 0, kS, 8, 7.87401575e-5, -128, -0.01007874, 0.01}));

TEST(Encoding, WorkedExampleOfThePublicText) {
  const QuantSpec spec{.bits = 8, .min_range = 0.01};
  const Range range{-1.8, 0.5};
  const Encoding encoding = encoding_from_ranges(spec, {&range, 1});
  const Tensor x = Tensor::from<float>({4}, {-1.8f, -1.0f, 0.0f, 0.5f});
  const auto levels = quantize_levels(x, encoding);
  std::vector<int64_t> codes;
  for (const int64_t level : levels) codes.push_back(level - encoding.grids[0].offset);
  EXPECT_EQ(codes, (std::vector<int64_t>{0, 89, 200, 255}));
  const Tensor back = fake_quantize(x, encoding);
  EXPECT_NEAR(back.data<float>()[1], -1.0011f, 5e-4);
  EXPECT_EQ(back.data<float>()[2], 0.0f);
}

TEST(Encoding, RoundTripErrorIsAtMostHalfAStep) {
  const QuantSpec spec{.bits = 8};
  const Range range{-0.7, 2.9};
  const Encoding encoding = encoding_from_ranges(spec, {&range, 1});
  for (double x = encoding.min(); x <= encoding.max(); x += 0.0137) {
    const auto value = static_cast<float>(x);
    const int64_t level = quantize_level(value, encoding.grids[0], encoding.lowest_level(), encoding.highest_level());
    EXPECT_LE(std::abs(value - encoding.grids[0].scale * static_cast<double>(level)), encoding.grids[0].scale * 0.5001);
  }
}

TEST(Encoding, BiasScaleIsTheProduct) {
  const Encoding weight{.bits = 8, .is_symmetric = true, .channel_axis = 0, .grids = {{0.5, -128}, {0.25, -128}}};
  const Encoding bias = bias_encoding(0.1, weight);
  ASSERT_EQ(bias.grids.size(), 2u);
  EXPECT_EQ(bias.bits, 32);
  EXPECT_FLOAT_EQ(static_cast<float>(bias.grids[1].scale), 0.1f * 0.25f);
}

TEST(Encoding, RefusesNonsense) {
  EXPECT_THROW((void)grid_from_range({.bits = 1}, {0, 1}), Error);
  EXPECT_THROW((void)grid_from_range({}, {0, std::numeric_limits<double>::infinity()}), Error);
}

TEST(QuantizeLevels, EqualsQuantizeLevelElementByElement) {
  std::vector<float> values;
  for (int i = -2000; i < 2000; ++i) values.push_back(static_cast<float>(i) * 0.0371f);
  for (const float special : {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e30f, -1e30f, 0.0f, -0.0f, std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    values.push_back(special);
  }
  const auto count = static_cast<int64_t>(values.size());
  Tensor x(DType::kFloat32, {4, count / 4});
  std::copy(values.begin(), values.end(), x.mutable_data<float>().begin());
  for (const int bits : {4, 8, 16, 32}) {
    for (const int axis : {-1, 0, 1}) {
      Encoding encoding{.bits = bits, .is_symmetric = true, .channel_axis = axis};
      const auto grids = static_cast<size_t>(axis < 0 ? 1 : x.shape()[static_cast<size_t>(axis)]);
      for (size_t g = 0; g < grids; ++g) encoding.grids.push_back({1.0 / (1.0 + static_cast<double>(g)), -(int64_t{1} << (bits - 1))});
      const std::vector<int64_t> levels = quantize_levels(x, encoding);
      for_each_grid_element(x.shape(), encoding.layout(), [&](int64_t i, int64_t g) {
        const auto at = static_cast<size_t>(g);
        ASSERT_EQ(levels[static_cast<size_t>(i)],
                  quantize_level(x.data<float>()[static_cast<size_t>(i)], encoding.grids[at], encoding.lowest_level(at), encoding.highest_level(at)))
            << "element " << i << " at " << bits << " bits, axis " << axis;
      });
    }
  }
}

}  // namespace
}  // namespace qtool::quant
