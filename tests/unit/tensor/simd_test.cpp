#include "qtool/tensor/simd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "qtool/support/error.h"

namespace qtool::simd {
namespace {

class EveryIsa : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    try {
      pin_isa(GetParam());
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  void TearDown() override { pin_isa("auto"); }
};
INSTANTIATE_TEST_SUITE_P(Isa, EveryIsa, ::testing::Values("generic", "avx2", "avx512"));

std::vector<float> inputs() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> x(1003);
  for (float& v : x) v = normal(random);
  x[0] = 0.0f; x[1] = -0.0f; x[2] = 50.0f; x[3] = -50.0f; x[4] = 1e-6f;
  return x;
}

void expect_close(void (*kernel)(const float*, float*, int64_t), double (*reference)(double), double tolerance) {
  const std::vector<float> x = inputs();
  std::vector<float> y(x.size());
  kernel(x.data(), y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = reference(x[i]);
    EXPECT_NEAR(y[i], want, tolerance * std::max(1.0, std::abs(want))) << "x = " << x[i];
  }
}

TEST_P(EveryIsa, FunctionsAgreeWithTheMathLibrary) {
  const Kernels& k = kernels();
  expect_close(k.exp, [](double v) { return std::exp(v); }, 3e-7);
  expect_close(k.sigmoid, [](double v) { return 1.0 / (1.0 + std::exp(-v)); }, 3e-7);
  expect_close(k.tanh, [](double v) { return std::tanh(v); }, 4e-7);
  expect_close(k.erf, [](double v) { return std::erf(v); }, 3e-7);
  expect_close(k.gelu, [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); }, 6e-7);
}

TEST_P(EveryIsa, FakeQuantizeRoundsHalfToEvenAndClips) {
  const std::vector<float> x = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 300.0f, -300.0f, 0.49f};
  std::vector<float> y(x.size());
  kernels().to_levels(x.data(), y.data(), static_cast<int64_t>(x.size()), 1.0f, -128.0f, 127.0f);
  EXPECT_EQ(y, (std::vector<float>{0, 2, 2, 0, -2, 127, -128, 0}));
}

TEST_P(EveryIsa, IntegersAreTheSameAsTheGenericOnes) {
  const std::vector<float> x = inputs();
  std::vector<float> y(x.size()), want(x.size());
  kernels().fake_quantize(x.data(), y.data(), static_cast<int64_t>(x.size()), 0.0371f, -100.0f, 155.0f);
  pin_isa("generic");
  kernels().fake_quantize(x.data(), want.data(), static_cast<int64_t>(x.size()), 0.0371f, -100.0f, 155.0f);
  EXPECT_EQ(std::memcmp(y.data(), want.data(), y.size() * 4), 0);
}

TEST_P(EveryIsa, MinMaxLeavesNonFiniteOut) {
  std::vector<float> x = inputs();
  x[500] = std::numeric_limits<float>::quiet_NaN();
  x[501] = -std::numeric_limits<float>::infinity();
  float lo = std::numeric_limits<float>::infinity(), hi = -lo;
  EXPECT_EQ(kernels().min_max(x.data(), static_cast<int64_t>(x.size()), &lo, &hi), 2);
  EXPECT_EQ(lo, -50.0f);
  EXPECT_EQ(hi, 50.0f);
}

TEST_P(EveryIsa, TransposeMovesEveryElement) {
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {4, 4}, {85, 33}, {16, 49}, {3, 100}, {100, 3}, {17, 16}}) {
    const int64_t x_stride = columns + 3, y_stride = rows + 1;
    std::vector<float> x(static_cast<size_t>(rows * x_stride)), y(static_cast<size_t>(columns * y_stride), -1.0f);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    kernels().transpose(x.data(), x_stride, y.data(), y_stride, rows, columns);
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) {
        ASSERT_EQ(y[static_cast<size_t>(c * y_stride + r)], x[static_cast<size_t>(r * x_stride + c)]) << rows << "x" << columns;
      }
      EXPECT_EQ(y[static_cast<size_t>(c * y_stride + rows)], -1.0f) << "wrote past the row";
    }
  }
}

// What norms and resizing compute must not depend on the instruction set: simulated integers hang on it.
TEST_P(EveryIsa, MomentsAndAffineLoopsAreTheSameAsTheGenericOnes) {
  const std::vector<float> x = inputs();
  const auto n = static_cast<int64_t>(x.size());
  const auto run = [&] {
    std::vector<float> all(x.size() * 4);
    kernels().lerp(x.data(), x.data() + 1, all.data(), n - 1, 0.3f);
    kernels().normalize(x.data(), all.data() + n, n, 0.7f, 1.3f, x.data(), nullptr);
    kernels().normalize(x.data(), all.data() + 2 * n, n, 0.7f, 1.3f, x.data(), x.data());
    kernels().center_scale(x.data(), all.data() + 3 * n, n, 0.7f, 1.3f, 0.1f);
    double sums[2];
    kernels().moments(x.data(), n, sums);
    return std::make_pair(all, std::make_pair(sums[0], sums[1]));
  };
  const auto found = run();
  double sum = 0.0, squares = 0.0;
  for (const float v : x) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  EXPECT_NEAR(found.second.first, sum, 1e-9 * std::abs(squares));
  EXPECT_NEAR(found.second.second, squares, 1e-9 * squares);
  EXPECT_FLOAT_EQ(found.first[5], x[5] + (x[6] - x[5]) * 0.3f);
  EXPECT_FLOAT_EQ(found.first[static_cast<size_t>(3 * n + 5)], (x[5] - 0.7f) * 1.3f + 0.1f);
  pin_isa("generic");
  EXPECT_EQ(found, run());
}

TEST_P(EveryIsa, ScaledMaxWidensBoundsAndIsTheSameAsTheGenericOne) {
  std::vector<float> x = inputs(), factors = inputs();
  for (float& v : x) v = std::abs(v);
  for (float& v : factors) v = std::abs(v) + 0.1f;
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> bounds(x.size(), 1.0f), want(x.size());
  float largest = 0.0f;
  for (size_t i = 0; i < x.size(); ++i) {
    const float y = x[i] * 0.3f * factors[i] * 1.7f;
    want[i] = std::max(1.0f, y);
    largest = std::max(largest, y);
  }
  EXPECT_EQ(kernels().scaled_max(x.data(), 0.3f, factors.data(), 1.7f, bounds.data(), n), largest);
  EXPECT_EQ(bounds, want);
  EXPECT_EQ(kernels().scaled_max(x.data(), 0.3f, factors.data(), 1.7f, bounds.data(), 0), 0.0f);
}

TEST(Simd, UnknownNameIsAnswered) { EXPECT_THROW(pin_isa("avx3"), Error); }

}  // namespace
}  // namespace qtool::simd
