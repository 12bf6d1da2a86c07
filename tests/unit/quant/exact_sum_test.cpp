#include "qtool/quant/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "qtool/support/error.h"

namespace qtool::quant {
namespace {

std::vector<double> mixed_values() {
  std::mt19937_64 random(11);
  std::vector<double> values;
  for (int i = 0; i < 2000; ++i) {
    const double sign = random() % 2 == 0 ? 1.0 : -1.0;
    values.push_back(sign * std::ldexp(1.0 + static_cast<double>(random() % 100000) / 1e5, static_cast<int>(random() % 200) - 80));
  }
  return values;
}

TEST(ExactSum, AnyOrderAndGroupingGivesTheSameBits) {
  std::vector<double> values = mixed_values();
  ExactSum forward, left, right;
  for (const double v : values) forward.add(v);
  std::reverse(values.begin(), values.end());
  for (size_t i = 0; i < values.size(); ++i) (i % 3 == 0 ? left : right).add(values[i]);
  left.merge(right);
  EXPECT_EQ(forward, left);
  EXPECT_EQ(forward.value(), left.value());
  EXPECT_EQ(forward.text(), left.text());
}

TEST(ExactSum, LargeTermsCancelWithoutATrace) {
  ExactSum sum;
  for (const double v : {1e30, 0.1, -1e30, 1e-20, -0.1}) sum.add(v);
  EXPECT_EQ(1e-20, sum.value());
  sum.add(-3.0);
  EXPECT_DOUBLE_EQ(-3.0, sum.value());
}

TEST(ExactSum, SquaresOfTheLargestFloatFit) {
  ExactSum sum;
  for (int i = 0; i < 1000; ++i) sum.add(3.4028234663852886e38 * 3.4028234663852886e38);
  EXPECT_DOUBLE_EQ(1000 * 3.4028234663852886e38 * 3.4028234663852886e38, sum.value());
}

TEST(ExactSum, TextComesBackAsTheSameSum) {
  EXPECT_EQ("0", ExactSum().text());
  ExactSum three;
  three.add(-3.0);
  EXPECT_EQ("-3p0", three.text());
  ExactSum sum;
  for (const double v : mixed_values()) {
    sum.add(v);
    ASSERT_EQ(sum, ExactSum::from_text(sum.text())) << sum.text();
  }
}

TEST(ExactSum, MalformedTextIsRefused) {
  for (const char* text : {"", "p0", "12", "1gp0", "1p", "1p1x", "1p-161", "fp3", "1p2000"}) {
    EXPECT_THROW((void)ExactSum::from_text(text), Error) << text;
  }
}

}  // namespace
}  // namespace qtool::quant
