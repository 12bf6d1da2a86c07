// Loops over 8-bit codes against plain float arithmetic, on every instruction set this CPU runs.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::simd {
namespace {

class CodeLoops : public ::testing::TestWithParam<const char*> {
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

uint8_t plain_code(float x, const CodeGrid& grid) {
  const float ratio = x / grid.scale;
  const float clamped = std::isnan(ratio) ? grid.lowest : std::min(std::max(ratio, grid.lowest), grid.highest);
  return static_cast<uint8_t>(std::nearbyintf(clamped) - grid.lowest);
}

std::vector<CodeGrid> some_grids() {
  std::vector<CodeGrid> grids;
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    const float scale = std::ldexp(1.0f + static_cast<float>(random() % 0x7FFFFF) * 0x1p-23f, static_cast<int>(random() % 24) - 16);
    const auto lowest = -static_cast<float>(random() % 256);
    grids.push_back(with_inverse({.scale = scale, .lowest = lowest, .highest = lowest + 255.0f}));
  }
  grids.push_back(with_inverse({.scale = 1e-30f, .lowest = 0.0f, .highest = 255.0f}));  // no inverse
  grids.push_back({.scale = 0.3f, .lowest = -7.0f, .highest = 8.0f});
  return grids;
}

// Where rounding is decided: the floats around every boundary between two levels.
std::vector<float> values_around_boundaries(const CodeGrid& grid) {
  std::vector<float> values = {0.0f, -0.0f, 1e38f, -1e38f, std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  for (float level = grid.lowest - 2.5f; level <= grid.highest + 2.5f; level += 0.5f) {
    float x = level * grid.scale;
    for (int i = 0; i < 12; ++i) x = std::nextafterf(x, -INFINITY);
    for (int i = 0; i < 25; ++i, x = std::nextafterf(x, INFINITY)) values.push_back(x);
  }
  return values;
}

TEST_P(CodeLoops, EncodeRoundsAsDivisionDoesAtEveryBoundary) {
  size_t with = 0;
  for (const CodeGrid& grid : some_grids()) {
    with += grid.inverse != 0.0f;
    const std::vector<float> values = values_around_boundaries(grid);
    std::vector<uint8_t> codes(values.size());
    code_kernels().encode(values.data(), codes.data(), static_cast<int64_t>(values.size()), grid);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(plain_code(values[i], grid), codes[i]) << values[i] << " on a grid of scale " << grid.scale << " from " << grid.lowest;
    }
  }
  EXPECT_GT(with, 150u);
}

TEST_P(CodeLoops, SumsBecomeTheCodesOfPlainFloatArithmetic) {
  std::mt19937 random(5);
  for (const int64_t channels : {1, 3, 16, 24, 40, 64, 80}) {
    for (const bool windows : {false, true}) {
      const int64_t pixels = 37, period = channels * kPeriodUnit;
      std::vector<int32_t> sums(static_cast<size_t>(pixels * channels)), window_sums(static_cast<size_t>(pixels));
      for (int32_t& sum : sums) sum = static_cast<int32_t>(random() % 400000) - 200000;
      for (int32_t& sum : window_sums) sum = static_cast<int32_t>(random() % 1000);
      std::vector<int32_t> correction, shift;
      std::vector<float> scale, bias;
      for (int64_t i = 0; i < period; ++i) {
        const auto c = static_cast<size_t>(i % channels);
        const bool first = i < channels;
        correction.push_back(first ? static_cast<int32_t>(random() % 5000) : correction[c]);
        shift.push_back(first ? static_cast<int32_t>(random() % 7) : shift[c]);
        scale.push_back(first ? 1e-5f * static_cast<float>(1 + random() % 100) : scale[c]);
        bias.push_back(first ? static_cast<float>(random() % 100) * 0.01f : bias[c]);
      }
      const ProductChannels product{period, correction.data(), windows ? shift.data() : nullptr, scale.data(), bias.data(), -0.5f, 6.0f};
      for (const CodeGrid& plain : {CodeGrid{.scale = 0.037f, .lowest = -40.0f, .highest = 215.0f}, {.scale = 0.5f, .lowest = -3.0f, .highest = 12.0f}}) {
        for (const CodeGrid& grid : {plain, with_inverse(plain)}) {
          std::vector<uint8_t> codes(sums.size());
          code_kernels().sums_to_codes(sums.data(), window_sums.data(), 0, pixels, channels, product, grid, codes.data());
          std::vector<int32_t> repeated;
          for (const int32_t sum : window_sums) repeated.insert(repeated.end(), static_cast<size_t>(channels), sum);
          std::vector<uint8_t> by_element(sums.size());
          code_kernels().sums_to_codes(sums.data(), repeated.data(), 1, pixels, channels, product, grid, by_element.data());
          ASSERT_EQ(codes, by_element) << channels << " channels, windows by element";
          for (size_t i = 0; i < sums.size(); ++i) {
            const size_t c = i % static_cast<size_t>(channels);
            const int32_t exact = sums[i] + correction[c] + (windows ? shift[c] * window_sums[i / static_cast<size_t>(channels)] : 0);
            const float real = static_cast<float>(exact) * scale[c] + bias[c];
            ASSERT_EQ(plain_code(std::min(std::max(real, -0.5f), 6.0f), grid), codes[i]) << channels << " channels, element " << i;
          }
        }
      }
    }
  }
}

TEST_P(CodeLoops, MovingBytes) {
  std::mt19937 random(7);
  std::vector<uint8_t> table(256), bytes(64 * 120);
  for (uint8_t& b : table) b = static_cast<uint8_t>(random());
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  for (const int64_t rows : {1, 3, 4, 5, 17, 33, 60}) {
    for (const int64_t run : {1, 3, 16, 24, 32, 48, 64, 100}) {
      std::vector<uint8_t> turned(static_cast<size_t>(rows * run)), moved(static_cast<size_t>(rows * (run + 5)), 7), copied = moved;
      code_kernels().transpose(bytes.data(), rows, run, run, turned.data(), rows);
      code_kernels().move_rows(bytes.data(), run, moved.data(), run + 5, rows, run, table.data());
      code_kernels().move_rows(bytes.data(), run, copied.data(), run + 5, rows, run, nullptr);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < run + 5; ++c) {
          const auto at = static_cast<size_t>(r * (run + 5) + c);
          const uint8_t byte = bytes[static_cast<size_t>(r * run + c)];
          ASSERT_EQ(c < run ? table[byte] : 7, moved[at]) << rows << " x " << run;
          ASSERT_EQ(c < run ? byte : 7, copied[at]) << rows << " x " << run;
          if (c < run) {
            ASSERT_EQ(byte, turned[static_cast<size_t>(c * rows + r)]) << rows << " x " << run;
          }
        }
      }
    }
  }
}

TEST_P(CodeLoops, SumsOfRows) {
  std::mt19937 random(11);
  std::vector<uint8_t> bytes(5 * 200);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
  for (const int64_t run : {1, 3, 16, 63, 64, 65, 200}) {
    std::vector<int32_t> sums(6, -1);
    code_kernels().row_sums(bytes.data(), 5, run, sums.data());
    for (int64_t r = 0; r < 5; ++r) EXPECT_EQ(sums[static_cast<size_t>(r)], std::accumulate(bytes.begin() + r * run, bytes.begin() + (r + 1) * run, 0));
    EXPECT_EQ(sums[5], -1);
  }
}

TEST_P(CodeLoops, ImagesOfThreePlanes) {
  const CodeGrid grid = with_inverse({.scale = 1.0f / 255.0f, .lowest = 0.0f, .highest = 255.0f});
  std::mt19937 random(9);
  for (const int64_t pixels : {1, 15, 16, 33, 100}) {
    std::vector<float> x(static_cast<size_t>(3 * pixels));
    for (float& value : x) value = static_cast<float>(random() % 1000) * 0.0011f;
    std::vector<uint8_t> y(x.size() + 1, 99);
    code_kernels().encode_three(x.data(), pixels, y.data(), pixels, grid);
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < 3; ++c) {
        ASSERT_EQ(plain_code(x[static_cast<size_t>(c * pixels + p)], grid), y[static_cast<size_t>(3 * p + c)]) << pixels << " pixels";
      }
    }
    EXPECT_EQ(99, y.back());  // nothing behind the end
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, CodeLoops, ::testing::Values("generic", "avx2", "avx512"), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace qtool::simd
