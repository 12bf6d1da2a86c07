// Per-channel bounds and moments against sums taken value by value, in every layout.
#include "qtool/calib/channel_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "qtool/quant/quantize.h"
#include "support/graph_builder.h"

namespace qtool::calib {
namespace {

using qtool::testing::random_tensor;

ChannelStatistics statistics_of(const Tensor& tensor, int axis, exec::Layout layout = {}) {
  std::vector<float> memory(static_cast<size_t>(exec::physical_count(tensor.shape(), layout)), 7e30f);  // padding: anything
  const std::vector<float> values = tensor.to_float();
  exec::copy_from_plain(values.data(), tensor.shape(), layout, memory.data());
  ChannelStatistics statistics{.axis = axis};
  statistics.observe({memory.data(), tensor.shape(), layout});
  return statistics;
}

void expect_moments(const Tensor& tensor, int axis, const ChannelStatistics& found) {
  const auto channels = static_cast<size_t>(tensor.shape()[static_cast<size_t>(axis)]);
  ASSERT_EQ(channels, found.channels());
  std::vector<double> sum(channels, 0.0), squares(channels, 0.0);
  std::vector<int64_t> count(channels, 0);
  const auto data = tensor.data<float>();
  quant::for_each_channel_element(tensor.shape(), axis, [&](int64_t i, int64_t c) {
    const double v = data[static_cast<size_t>(i)];
    sum[static_cast<size_t>(c)] += v;
    squares[static_cast<size_t>(c)] += v * v;
    ++count[static_cast<size_t>(c)];
  });
  const std::vector<quant::Range> ranges = quant::tensor_ranges(tensor, axis);
  for (size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / static_cast<double>(count[c]);
    EXPECT_EQ(ranges[c], found.range[c]);
    EXPECT_EQ(count[c], found.count[c]);
    EXPECT_NEAR(mean, found.mean(c), 1e-6);
    EXPECT_NEAR(squares[c] / static_cast<double>(count[c]) - mean * mean, found.variance(c), 1e-5);
  }
}

TEST(ChannelStatistics, EveryLayoutAndAxisCountsEveryValueOnce) {
  const Tensor image = random_tensor({2, 19, 7, 5}, 3);
  for (const int64_t block : {1, 8, 16}) expect_moments(image, 1, statistics_of(image, 1, {block}));
  const Tensor tokens = random_tensor({1, 33, 21}, 4);
  for (const int axis : {0, 1, 2}) expect_moments(tokens, axis, statistics_of(tokens, axis));
  const Tensor row = random_tensor({1, 10}, 5);
  expect_moments(row, 1, statistics_of(row, 1));
}

TEST(ChannelStatistics, MergingIsIndependentOfOrder) {
  std::vector<Tensor> images;
  for (unsigned i = 0; i < 5; ++i) images.push_back(random_tensor({1, 5, 9, 9}, 20 + i, -3.0f * static_cast<float>(i), 1e4f));
  ChannelStatistics forward{.axis = 1}, backward{.axis = 1};
  for (size_t i = 0; i < images.size(); ++i) {
    forward.observe({images[i].data<float>().data(), images[i].shape(), {}});
    ChannelStatistics alone{.axis = 1};
    const Tensor& other = images[images.size() - 1 - i];
    alone.observe({other.data<float>().data(), other.shape(), {}});
    backward.merge(alone);
  }
  EXPECT_EQ(forward, backward);
}

TEST(ChannelStatistics, NonFiniteValuesAreLeftOut) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>({1, 3, 2}, {1.0f, kNan, -kInf, 4.0f, kNan, kInf});
  const ChannelStatistics found = statistics_of(x, 1);
  EXPECT_EQ((std::vector<int64_t>{1, 1, 0}), found.count);
  EXPECT_EQ((quant::Range{1.0, 1.0}), found.range[0]);
  EXPECT_EQ((quant::Range{4.0, 4.0}), found.range[1]);
  EXPECT_EQ(0.0, found.mean(2));
  EXPECT_EQ(0.0, found.variance(1));
}

}  // namespace
}  // namespace qtool::calib
