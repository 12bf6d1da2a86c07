#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "node_runner.h"
#include "qtool/ops/window.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using Ints = std::vector<int64_t>;

Tensor ones(Shape shape) {
  const std::vector<float> values(static_cast<size_t>(shape.element_count()), 1.0f);
  return Tensor::from<float>(std::move(shape), std::span<const float>(values));
}

// Small integers: sums are exact, so that tests may compare for equality.
Tensor small_integers(Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(shape.element_count()));
  for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 9) - 4);
  return Tensor::from<float>(std::move(shape), std::span<const float>(values));
}

float dot(const Tensor& a, const Tensor& b) {
  const auto x = a.data<float>(), y = b.data<float>();
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0f);
}

TEST(Conv, AppliesAsymmetricPads) {
  // Pads: one column before, one row after. Ones kernel 2x2 over [[1,2],[3,4]].
  const Tensor y = run({.op = "Conv", .attributes = {{"pads", Ints{0, 1, 1, 0}}},
                        .inputs = {floats({1, 1, 2, 2}, {1, 2, 3, 4}), ones({1, 1, 2, 2})}});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 2, 2}));
  EXPECT_THAT(values<float>(y), ElementsAre(4, 10, 3, 7));
}

TEST(Conv, DilatesTheKernel) {
  // Taps 0 and 2 of 0..4, stride 1: x[i] + 10 * x[i + 2].
  const Tensor y = run({.op = "Conv", .attributes = {{"dilations", Ints{2}}},
                        .inputs = {counting({1, 1, 5}), floats({1, 1, 2}, {1, 10})}});
  EXPECT_THAT(values<float>(y), ElementsAre(20, 31, 42));
}

TEST(Conv, KeepsGroupsApart) {
  // Depthwise 1x1 with factors 2 and 3, bias 1 and 0.
  const Tensor y = run({.op = "Conv", .attributes = {{"group", int64_t{2}}},
                        .inputs = {floats({1, 2, 1, 2}, {1, 2, 3, 4}), floats({2, 1, 1, 1}, {2, 3}), floats({2}, {1, 0})}});
  EXPECT_THAT(values<float>(y), ElementsAre(3, 5, 9, 12));
}

TEST(Conv, SamePaddingPutsTheOddPixelWhereItSays) {
  // Kernel of 2 ones over 1, 2, 3: the missing neighbour is behind (UPPER) or in front (LOWER).
  NodeCase test{.op = "Conv", .attributes = {{"auto_pad", std::string("SAME_UPPER")}},
                .inputs = {floats({1, 1, 3}, {1, 2, 3}), ones({1, 1, 2})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(3, 5, 3));
  test.attributes["auto_pad"] = std::string("SAME_LOWER");
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1, 3, 5));
  test.attributes["auto_pad"] = std::string("VALID");
  EXPECT_THAT(values<float>(run(test)), ElementsAre(3, 5));
}

TEST(Conv, WorksOnVolumes) {
  const Tensor y = run({.op = "Conv", .inputs = {counting({1, 1, 2, 2, 2}), ones({1, 1, 2, 2, 2})}});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 1, 1, 1}));
  EXPECT_THAT(values<float>(y), ElementsAre(28));
}

TEST(Conv, OfAnEmptyBatchIsEmpty) {
  const Tensor y = run({.op = "Conv", .inputs = {floats({0, 1, 4, 4}, {}), ones({3, 1, 3, 3})}});
  EXPECT_EQ(y.shape(), (Shape{0, 3, 2, 2}));
}

TEST(Conv, RefusesChannelsThatDoNotFit) {
  EXPECT_THROW((void)run({.op = "Conv", .inputs = {ones({1, 3, 4, 4}), ones({2, 2, 1, 1})}}), Error);
  EXPECT_THROW((void)run({.op = "Conv", .inputs = {ones({1, 2, 4, 4}), ones({2, 2, 5, 5})}}), Error);
}

TEST(Conv, AccumulatesInDoubleAndRoundsOnce) {
  // 1e8 + 1 - 1e8 is 1; float32 accumulation would give 0.
  const Tensor y = run({.op = "Conv", .inputs = {floats({1, 3, 1}, {1e8f, 1.0f, -1e8f}), ones({1, 3, 1})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1.0f));
}

// The definition, one output element at a time.
TEST(Conv, AgreesWithTheDefinitionOnRandomWindows) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(random() % static_cast<uint32_t>(hi - lo + 1)); };
  for (int round = 0; round < 60; ++round) {
    const int64_t group = pick(1, 2), in_c = group * pick(1, 2), out_c = group * pick(1, 2), h = pick(3, 6), w = pick(3, 6);
    const Ints kernel{pick(1, 3), pick(1, 3)}, strides{pick(1, 3), pick(1, 3)}, dilations{pick(1, 2), pick(1, 2)};
    const Ints pads{pick(0, 2), pick(0, 2), pick(2, 3), pick(2, 3)};
    const Tensor x = small_integers({2, in_c, h, w}, random()), weight = small_integers({out_c, in_c / group, kernel[0], kernel[1]}, random());
    const Tensor y = run({.op = "Conv",
                          .attributes = {{"group", group}, {"strides", strides}, {"dilations", dilations}, {"pads", pads}},
                          .inputs = {x, weight}});
    const Shape& shape = y.shape();
    size_t at = 0;
    for (int64_t n = 0; n < shape[0]; ++n) for (int64_t oc = 0; oc < out_c; ++oc)
      for (int64_t i = 0; i < shape[2]; ++i) for (int64_t j = 0; j < shape[3]; ++j) {
        float sum = 0.0f;
        for (int64_t c = 0; c < in_c / group; ++c) for (int64_t ki = 0; ki < kernel[0]; ++ki) for (int64_t kj = 0; kj < kernel[1]; ++kj) {
          const int64_t row = i * strides[0] + ki * dilations[0] - pads[0], column = j * strides[1] + kj * dilations[1] - pads[1];
          if (row < 0 || row >= h || column < 0 || column >= w) continue;
          const int64_t channel = oc / (out_c / group) * (in_c / group) + c;
          sum += x.data<float>()[static_cast<size_t>(((n * in_c + channel) * h + row) * w + column)] *
                 weight.data<float>()[static_cast<size_t>(((oc * (in_c / group) + c) * kernel[0] + ki) * kernel[1] + kj)];
        }
        ASSERT_EQ(y.data<float>()[at++], sum) << "round " << round;
      }
  }
}

TEST(ConvTranspose, ScattersAndAddsOutputPadding) {
  // Stride 2, kernel 2 of (1, 10): no overlap; the extra position stays zero.
  const Tensor y = run({.op = "ConvTranspose", .attributes = {{"strides", Ints{2}}, {"output_padding", Ints{1}}},
                        .inputs = {floats({1, 1, 2}, {3, 4}), floats({1, 1, 2}, {1, 10})}});
  EXPECT_THAT(values<float>(y), ElementsAre(3, 30, 4, 40, 0));
}

TEST(ConvTranspose, CropsByPads) {
  // Full result of kernel 3 ones over (1, 2, 3): 1 3 6 5 3; pads 1, 1 crop both ends.
  const Tensor y = run({.op = "ConvTranspose", .attributes = {{"pads", Ints{1, 1}}},
                        .inputs = {floats({1, 1, 3}, {1, 2, 3}), ones({1, 1, 3})}});
  EXPECT_THAT(values<float>(y), ElementsAre(3, 6, 5));
}

TEST(ConvTranspose, OutputShapeDecidesThePads) {
  // The full result has 6 elements: 1 1 2 2 3 3. One must go: in front without SAME_UPPER, behind with it.
  NodeCase test{.op = "ConvTranspose", .attributes = {{"strides", Ints{2}}, {"output_shape", Ints{5}}},
                .inputs = {floats({1, 1, 3}, {1, 2, 3}), ones({1, 1, 2})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1, 2, 2, 3, 3));
  test.attributes["auto_pad"] = std::string("SAME_UPPER");
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1, 1, 2, 2, 3));
}

TEST(ConvTranspose, SamePaddingMultipliesTheSizeByTheStride) {
  const Tensor y = run({.op = "ConvTranspose",
                        .attributes = {{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}},
                        .inputs = {ones({1, 1, 3, 4}), ones({1, 2, 3, 3})}});
  EXPECT_EQ(y.shape(), (Shape{1, 2, 6, 8}));
}

// <conv(x), g> = <x, conv_transpose(g)>: the definition of the transposed operator.
TEST(ConvTranspose, IsTheAdjointOfConv) {
  std::mt19937 random(11);
  const auto pick = [&](int64_t lo, int64_t hi) { return lo + static_cast<int64_t>(random() % static_cast<uint32_t>(hi - lo + 1)); };
  for (int round = 0; round < 40; ++round) {
    const int64_t group = pick(1, 2), in_c = group * pick(1, 2), out_c = group * pick(1, 3);
    const Ints kernel{pick(1, 3), pick(1, 3)}, strides{pick(1, 3), pick(1, 3)}, dilations{pick(1, 2), pick(1, 2)};
    const Ints pads{pick(0, 1), pick(0, 1), pick(0, 1), pick(0, 1)};
    const Shape in_shape{2, in_c, pick(6, 9), pick(6, 9)};
    Attributes attributes{{"group", group}, {"strides", strides}, {"dilations", dilations}, {"pads", pads}};
    const Tensor x = small_integers(in_shape, random()), weight = small_integers({out_c, in_c / group, kernel[0], kernel[1]}, random());
    const Tensor y = run({.op = "Conv", .attributes = attributes, .inputs = {x, weight}});
    Ints extra;  // what the division of the forward size rule dropped
    for (size_t i = 0; i < 2; ++i) {
      const int64_t extent = (kernel[i] - 1) * dilations[i] + 1;
      extra.push_back((in_shape[i + 2] + pads[i] + pads[i + 2] - extent) % strides[i]);
    }
    attributes["output_padding"] = extra;
    const Tensor g = small_integers(y.shape(), random());
    const Tensor back = run({.op = "ConvTranspose", .attributes = attributes, .inputs = {g, weight}});
    ASSERT_EQ(back.shape(), in_shape) << "round " << round;
    EXPECT_EQ(dot(y, g), dot(x, back)) << "round " << round;
  }
}

TEST(ConvInteger, SubtractsZeroPoints) {
  // (1-1)*(2-1) + (3-1)*(5-1) = 8, (3-1)*1 + (255-1)*4 = 1018
  const Tensor y = run({.op = "ConvInteger",
                        .inputs = {Tensor::from<uint8_t>({1, 1, 3}, {1, 3, 255}), Tensor::from<uint8_t>({1, 1, 2}, {2, 5}),
                                   Tensor::scalar<uint8_t>(1), Tensor::scalar<uint8_t>(1)}});
  EXPECT_THAT(values<int32_t>(y), ElementsAre(8, 1018));
}

TEST(QLinearConv, RescalesEachChannelRoundsAndSaturates) {
  // Level sums: 10 and 20 + bias 1; multipliers 0.5*1/2 = 0.25 and 0.5*40/2 = 10: 2.5 -> 2 (half to even), 210 -> 127.
  const Tensor y = run({.op = "QLinearConv",
                        .inputs = {Tensor::from<int8_t>({1, 1, 1, 1}, {10}), Tensor::scalar(0.5f), Tensor::scalar<int8_t>(0),
                                   Tensor::from<int8_t>({2, 1, 1, 1}, {1, 2}), floats({2}, {1, 40}),
                                   Tensor::from<int8_t>({2}, {0, 0}), Tensor::scalar(2.0f), Tensor::scalar<int8_t>(0),
                                   Tensor::from<int32_t>({2}, {0, 1})}});
  EXPECT_THAT(values<int8_t>(y), ElementsAre(2, 127));
}

TEST(DeformConv, WithZeroOffsetsIsAConvolution) {
  const Tensor x = small_integers({2, 4, 5, 6}, 3), weight = small_integers({6, 2, 3, 2}, 4);
  const Attributes attributes{{"group", int64_t{2}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 1}}};
  const Tensor expected = run({.op = "Conv", .opset = 19, .attributes = attributes, .inputs = {x, weight}});
  const Tensor offset(DType::kFloat32, Shape{2, 3 * 2 * 2, expected.shape()[2], expected.shape()[3]});
  const Tensor y = run({.op = "DeformConv", .opset = 19, .attributes = attributes, .inputs = {x, weight, offset}});
  EXPECT_TRUE(y.identical(expected));
}

TEST(DeformConv, ReadsBetweenPixelsAndWeighsByTheMask) {
  // One tap at (0, 0) moved by half a pixel to the right: mean of 2 and 6, times mask 0.5.
  const Tensor y = run({.op = "DeformConv", .opset = 19,
                        .inputs = {floats({1, 1, 1, 2}, {2, 6}), ones({1, 1, 1, 2}), floats({1, 4, 1, 1}, {0, 0.5f, 0, 9}),
                                   floats({1}, {0}), floats({1, 2, 1, 1}, {0.5f, 1})}});
  EXPECT_THAT(values<float>(y), ElementsAre(2));
}

TEST(Window, IsTheSameInThreeAxes) {
  ir::Node node;
  node.op_type = "Conv";
  node.attributes = {{"strides", Ints{2}}, {"pads", Ints{1, 2}}};
  const Shape input{1, 1, 7};
  const Window3d window = as_window_3d(resolve_window(node, input, Shape{3}), input);
  EXPECT_THAT(window.input, ElementsAre(1, 1, 7));
  EXPECT_THAT(window.output, ElementsAre(1, 1, 4));  // (7 + 3 - 3) / 2 + 1
  EXPECT_THAT(window.pads_end, ElementsAre(0, 0, 2));
}

TEST(Window, CoveredRangeIsEmptyRatherThanNegative) {
  EXPECT_EQ(covered_range(-5, 1, 3, 2).begin, covered_range(-5, 1, 3, 2).end);
  const AxisRange range = covered_range(-1, 2, 4, 10);  // 2x - 1 in [0, 4): x = 1, 2
  EXPECT_EQ(range.begin, 1);
  EXPECT_EQ(range.end, 3);
}

}  // namespace
}  // namespace qtool::ops::testing
