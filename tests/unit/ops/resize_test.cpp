#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node_runner.h"
#include "qtool/ops/resize_params.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;
using Ints = std::vector<int64_t>;

const Tensor kNone = Tensor(DType::kFloat32, Shape{0});

NodeCase by_scale(std::initializer_list<float> row, float scale, Attributes attributes) {
  const auto width = static_cast<int64_t>(row.size());
  return {.op = "Resize", .opset = 18, .attributes = std::move(attributes),
          .inputs = {Tensor::from<float>(Shape{1, 1, width}, row), kNone, floats({3}, {1, 1, scale})}};
}

NodeCase to_size(std::initializer_list<float> row, int64_t size, Attributes attributes) {
  const auto width = static_cast<int64_t>(row.size());
  return {.op = "Resize", .opset = 18, .attributes = std::move(attributes),
          .inputs = {Tensor::from<float>(Shape{1, 1, width}, row), kNone, kNone, Tensor::from<int64_t>({3}, {1, 1, size})}};
}

Attributes mode(std::string name, std::string transform) {
  return {{"mode", std::move(name)}, {"coordinate_transformation_mode", std::move(transform)}};
}

TEST(Resize, LinearHalfPixelClampsAtTheBorder) {
  // Positions -0.25, 0.25, 0.75, 1.25 on 0, 4.
  EXPECT_THAT(values<float>(run(by_scale({0, 4}, 2, mode("linear", "half_pixel")))), ElementsAre(0, 1, 3, 4));
}

TEST(Resize, LinearAsymmetricAndAlignCorners) {
  EXPECT_THAT(values<float>(run(by_scale({0, 4}, 2, mode("linear", "asymmetric")))), ElementsAre(0, 2, 4, 4));
  EXPECT_THAT(values<float>(run(to_size({0, 3}, 4, mode("linear", "align_corners")))),
              Pointwise(FloatNear(1e-6f), {0, 1, 2, 3}));
}

TEST(Resize, PytorchHalfPixelTakesTheFirstPixelForOneOutput) {
  EXPECT_THAT(values<float>(run(to_size({5, 7, 9}, 1, mode("linear", "pytorch_half_pixel")))), ElementsAre(5));
  EXPECT_THAT(values<float>(run(to_size({5, 7, 9}, 1, mode("linear", "half_pixel")))), ElementsAre(7));
}

TEST(Resize, NearestRoundingModes) {
  // Size 2 -> 5 asymmetric: positions 0, 0.4, 0.8, 1.2, 1.6; 2 -> 4: 0, 0.5, 1, 1.5.
  Attributes attributes = mode("nearest", "asymmetric");
  attributes["nearest_mode"] = std::string("floor");
  EXPECT_THAT(values<float>(run(to_size({1, 2}, 5, attributes))), ElementsAre(1, 1, 1, 2, 2));
  attributes["nearest_mode"] = std::string("ceil");
  EXPECT_THAT(values<float>(run(to_size({1, 2}, 5, attributes))), ElementsAre(1, 2, 2, 2, 2));
  attributes["nearest_mode"] = std::string("round_prefer_floor");
  EXPECT_THAT(values<float>(run(to_size({1, 2}, 4, attributes))), ElementsAre(1, 1, 2, 2));
  attributes["nearest_mode"] = std::string("round_prefer_ceil");
  EXPECT_THAT(values<float>(run(to_size({1, 2}, 4, attributes))), ElementsAre(1, 2, 2, 2));
}

TEST(Resize, NearestCoordinatesAreFloat32) {
  // 1 / float32(1/3) is 3 in float32 but 2.9999999 in double, which floor would turn into pixel 2.
  Attributes attributes = mode("nearest", "asymmetric");
  attributes["nearest_mode"] = std::string("floor");
  EXPECT_THAT(values<float>(run(by_scale({0, 1, 2, 3, 4, 5}, 1.0f / 3.0f, attributes))), ElementsAre(0, 3));
}

TEST(Resize, OutputSizeIsComputedInFloat32) {
  const Tensor y = run({.op = "Resize", .opset = 13, .attributes = mode("nearest", "asymmetric"),
                        .inputs = {floats({1, 10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), kNone, floats({2}, {1, 0.7f})}});
  EXPECT_EQ(y.shape(), (Shape{1, 7}));
}

TEST(Resize, CubicReproducesPixelsAndLinesInside) {
  // Between 2 and 3 (far from the border) a line stays a line.
  const auto y = values<float>(run(by_scale({0, 1, 2, 3, 4, 5}, 2, mode("cubic", "asymmetric"))));
  EXPECT_FLOAT_EQ(y[4], 2.0f);
  EXPECT_FLOAT_EQ(y[5], 2.5f);
}

TEST(Resize, CubicExcludeOutsideRenormalizes) {
  Attributes attributes = mode("cubic", "half_pixel");
  attributes["exclude_outside"] = int64_t{1};
  for (const float value : values<float>(run(by_scale({2, 2, 2}, 3, attributes)))) EXPECT_FLOAT_EQ(value, 2.0f);
}

TEST(Resize, AntialiasAveragesWhatShrinks) {
  // 4 -> 2: a triangle of radius 2 around 0.5: distances of -1..2 are .75 .25 .25 .75 half-pixels; weights
  // 1/8 3/8 3/8 1/8, the outer tap clamped to pixel 0.
  Attributes attributes = mode("linear", "half_pixel");
  attributes["antialias"] = int64_t{1};
  EXPECT_THAT(values<float>(run(by_scale({8, 16, 24, 32}, 0.5f, attributes))), ElementsAre(13, 27));
}

TEST(Resize, CropAndResizeExtrapolates) {
  // Region 0.5 .. 1.5 of a row with last index 2: positions 1, 2, 3.
  Attributes attributes = mode("linear", "tf_crop_and_resize");
  attributes["extrapolation_value"] = 10.0f;
  NodeCase test = to_size({1, 2, 3}, 3, attributes);
  test.inputs[1] = floats({6}, {0, 0, 0.5f, 1, 1, 1.5f});
  EXPECT_THAT(values<float>(run(test)), ElementsAre(2, 3, 10));
}

TEST(Resize, AxesAndAspectRatioPolicy) {
  NodeCase test{.op = "Resize", .opset = 18,
                .attributes = {{"axes", Ints{2, 3}}, {"keep_aspect_ratio_policy", std::string("not_larger")}},
                .inputs = {floats({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}), kNone, kNone, Tensor::from<int64_t>({2}, {8, 8})}};
  EXPECT_EQ(run(test).shape(), (Shape{1, 1, 4, 8}));
  test.attributes["keep_aspect_ratio_policy"] = std::string("not_smaller");
  EXPECT_EQ(run(test).shape(), (Shape{1, 1, 8, 16}));
}

TEST(Resize, Opset10TakesTheCeilingWhenShrinking) {
  const Tensor y = run({.op = "Resize", .opset = 10, .inputs = {floats({1, 4}, {1, 2, 3, 4}), floats({2}, {1, 0.6f})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1, 3));
}

TEST(Resize, KeepsIntegerTypes) {
  NodeCase test = by_scale({0, 0}, 2, mode("nearest", "asymmetric"));
  test.inputs[0] = Tensor::from<uint8_t>({1, 1, 2}, {7, 255});
  EXPECT_THAT(values<uint8_t>(run(test)), ElementsAre(7, 7, 255, 255));
}

TEST(Resize, NeedsScalesOrSizes) {
  EXPECT_THROW((void)run({.op = "Resize", .inputs = {floats({1}, {1}), kNone, kNone}}), Error);
}

TEST(Upsample, ReadsScalesFromAttributeOrInput) {
  const Tensor x = floats({1, 1, 1, 2}, {1, 2});
  EXPECT_THAT(values<float>(run({.op = "Upsample", .opset = 7, .attributes = {{"scales", std::vector<float>{1, 1, 1, 2}}}, .inputs = {x}})),
              ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(values<float>(run({.op = "Upsample", .opset = 9, .attributes = {{"mode", std::string("linear")}},
                                 .inputs = {x, floats({4}, {1, 1, 1, 2})}})),
              ElementsAre(1, 1.5f, 2, 2));
}

TEST(ResizeParams, AreResolvedForExecutors) {
  ir::Node node;
  node.op_type = "Resize";
  node.opset = 13;
  node.attributes = mode("linear", "align_corners");
  const Tensor sizes = Tensor::from<int64_t>({2}, {1, 6});
  const ResizeParams params = resolve_resize(node, Shape{1, 3}, {.sizes = &sizes});
  EXPECT_EQ(params.mode, ResizeMode::kLinear);
  EXPECT_EQ(params.transform, CoordinateTransform::kAlignCorners);
  EXPECT_THAT(params.output, ElementsAre(1, 6));
  EXPECT_THAT(params.scales, ElementsAre(1.0, 2.0));
  EXPECT_DOUBLE_EQ(resize_source(params, Shape{1, 3}, 1, 5), 2.0);
}

}  // namespace
}  // namespace qtool::ops::testing
