#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using Ints = std::vector<int64_t>;
constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

TEST(Reshape, CopiesDimensionsForZeroAndSolvesMinusOne) {
  EXPECT_EQ(run({.op = "Reshape", .inputs = {counting({2, 3, 4}), ints({0, -1})}}).shape(), (Shape{2, 12}));
}

TEST(Reshape, ZeroIsZeroWithAllowzero) {
  const Tensor empty(DType::kFloat32, {0, 3});
  EXPECT_EQ(run({.op = "Reshape", .opset = 14, .attributes = {{"allowzero", int64_t{1}}}, .inputs = {empty, ints({3, 0})}}).shape(), (Shape{3, 0}));
}

TEST(Reshape, RefusesWhatDoesNotFit) {
  const NodeCase test{.op = "Reshape", .inputs = {counting({2, 3}), ints({4, -1})}};
  EXPECT_THROW((void)run(test), Error);
}

TEST(ShapeLikeInputs, OfHostileSizeAreRefused) {
  const Tensor x = counting({2, 3});
  const std::vector<NodeCase> cases{
      {.op = "Reshape", .inputs = {x, ints({kFar, kFar, -1})}},
      {.op = "Tile", .inputs = {x, ints({kFar, kFar})}},
      {.op = "Expand", .inputs = {x, ints({-1, 2, 3})}},
      {.op = "Pad", .inputs = {x, ints({kFar, 0, kFar, 0})}},
      {.op = "ConstantOfShape", .inputs = {ints({-1})}},
      {.op = "Split", .inputs = {x, ints({kFar, kFar, 4})}, .outputs = 3},
  };
  for (const NodeCase& test : cases) EXPECT_THROW((void)run(test), Error) << test.op;
}

TEST(Flatten, AcceptsAxisAtBothEnds) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(run({.op = "Flatten", .attributes = {{"axis", int64_t{0}}}, .inputs = {x}}).shape(), (Shape{1, 24}));
  EXPECT_EQ(run({.op = "Flatten", .attributes = {{"axis", int64_t{3}}}, .inputs = {x}}).shape(), (Shape{24, 1}));
  EXPECT_EQ(run({.op = "Flatten", .attributes = {{"axis", int64_t{-1}}}, .inputs = {x}}).shape(), (Shape{6, 4}));
}

TEST(Squeeze, AxesMoveFromAttributeToInput) {
  const Tensor x = counting({1, 3, 1});
  EXPECT_EQ(run({.op = "Squeeze", .opset = 11, .attributes = {{"axes", Ints{0}}}, .inputs = {x}}).shape(), (Shape{3, 1}));
  EXPECT_EQ(run({.op = "Squeeze", .opset = 13, .inputs = {x, ints({-1})}}).shape(), (Shape{1, 3}));
  EXPECT_EQ(run({.op = "Squeeze", .opset = 13, .inputs = {x}}).shape(), (Shape{3}));
}

TEST(Unsqueeze, AxesCountInTheResult) {
  EXPECT_EQ(run({.op = "Unsqueeze", .opset = 13, .inputs = {counting({3}), ints({-1, 0})}}).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(run({.op = "Unsqueeze", .opset = 11, .attributes = {{"axes", Ints{1}}}, .inputs = {counting({3})}}).shape(), (Shape{3, 1}));
}

TEST(Transpose, PermutesAndReversesByDefault) {
  EXPECT_THAT(values<float>(run({.op = "Transpose", .inputs = {counting({2, 3})}})), ElementsAre(0, 3, 1, 4, 2, 5));
  const Tensor y = run({.op = "Transpose", .attributes = {{"perm", Ints{1, 0, 2}}}, .inputs = {counting({2, 2, 2})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
}

TEST(Expand, KeepsDimensionsWhereTheShapeSaysOne) {
  const Tensor y = run({.op = "Expand", .inputs = {floats({2, 1}, {1, 2}), ints({2, 1, 2})}});
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_THAT(values<float>(y), ElementsAre(1, 1, 2, 2, 1, 1, 2, 2));
}

TEST(Tile, RepeatsEveryAxis) {
  EXPECT_THAT(values<float>(run({.op = "Tile", .inputs = {counting({2, 1}), ints({2, 2})}})), ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
  EXPECT_EQ(run({.op = "Tile", .inputs = {counting({2}), ints({0})}}).shape(), Shape{0});
}

TEST(Concat, AcceptsEmptyPartsAndNegativeAxes) {
  const Tensor y = run({.op = "Concat", .attributes = {{"axis", int64_t{-1}}},
                        .inputs = {counting({2, 2}), Tensor(DType::kFloat32, {2, 0}), floats({2, 1}, {8, 9})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 1, 8, 2, 3, 9));
}

TEST(Split, LengthsComeFromAttributeInputOrCount) {
  const Tensor x = counting({5});
  const auto by_attribute = run_all({.op = "Split", .opset = 11, .attributes = {{"split", Ints{2, 3}}}, .inputs = {x}, .outputs = 2});
  EXPECT_THAT(values<float>(by_attribute[1]), ElementsAre(2, 3, 4));
  const auto by_input = run_all({.op = "Split", .opset = 13, .inputs = {x, ints({4, 1})}, .outputs = 2});
  EXPECT_THAT(values<float>(by_input[1]), ElementsAre(4));
  const auto uneven = run_all({.op = "Split", .opset = 18, .attributes = {{"num_outputs", int64_t{2}}}, .inputs = {x}, .outputs = 2});
  EXPECT_THAT(values<float>(uneven[1]), ElementsAre(3, 4));
  const NodeCase before_18{.op = "Split", .opset = 13, .inputs = {x}, .outputs = 2};
  EXPECT_THROW((void)run(before_18), Error);
}

TEST(Slice, WalksBackwardsPastTheStart) {
  const Tensor y = run({.op = "Slice", .inputs = {counting({5}), ints({-1}), ints({-kFar}), ints({0}), ints({-2})}});
  EXPECT_THAT(values<float>(y), ElementsAre(4, 2, 0));
}

TEST(Slice, ClampsBoundsAndTakesAttributesBeforeOpset10) {
  EXPECT_THAT(values<float>(run({.op = "Slice", .inputs = {counting({4}), ints({1}), ints({kFar})}})), ElementsAre(1, 2, 3));
  EXPECT_EQ(run({.op = "Slice", .inputs = {counting({4}), ints({3}), ints({2})}}).shape(), Shape{0});
  const Tensor y = run({.op = "Slice", .opset = 9, .attributes = {{"starts", Ints{0}}, {"ends", Ints{-1}}, {"axes", Ints{1}}}, .inputs = {counting({2, 2})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 2));
}

TEST(Slice, AcceptsTheLowestStep) {
  const Tensor y = run({.op = "Slice", .inputs = {counting({3}), ints({2}), ints({-kFar}), ints({0}), ints({std::numeric_limits<int64_t>::min()})}});
  EXPECT_THAT(values<float>(y), ElementsAre(2));
}

TEST(Pad, ReflectEdgeWrapAndConstant) {
  const Tensor x = floats({3}, {1, 2, 3});
  const auto pad = [&](const char* mode) {
    return values<float>(run({.op = "Pad", .opset = 19, .attributes = {{"mode", std::string(mode)}}, .inputs = {x, ints({2, 1})}}));
  };
  EXPECT_THAT(pad("reflect"), ElementsAre(3, 2, 1, 2, 3, 2));
  EXPECT_THAT(pad("edge"), ElementsAre(1, 1, 1, 2, 3, 3));
  EXPECT_THAT(pad("wrap"), ElementsAre(2, 3, 1, 2, 3, 1));
  EXPECT_THAT(pad("constant"), ElementsAre(0, 0, 1, 2, 3, 0));
}

TEST(Pad, NegativePadsCropAndAxesSelect) {
  // Axis 1 only: one column cropped in front, one padded behind.
  const Tensor y = run({.op = "Pad", .opset = 18, .inputs = {counting({2, 3}), ints({-1, 1}), Tensor::scalar(9.0f), ints({-1})}});
  EXPECT_THAT(values<float>(y), ElementsAre(1, 2, 9, 4, 5, 9));
}

TEST(Pad, ReadsAttributesBeforeOpset11) {
  const Tensor y = run({.op = "Pad", .opset = 10, .attributes = {{"pads", Ints{1, 0}}, {"value", 5.0f}}, .inputs = {floats({1}, {1})}});
  EXPECT_THAT(values<float>(y), ElementsAre(5, 1));
}

TEST(Gather, CountsNegativeIndicesFromTheEnd) {
  const Tensor y = run({.op = "Gather", .attributes = {{"axis", int64_t{1}}}, .inputs = {counting({2, 3}), Tensor::from<int32_t>({1, 2}, {-1, 0})}});
  EXPECT_EQ(y.shape(), (Shape{2, 1, 2}));
  EXPECT_THAT(values<float>(y), ElementsAre(2, 0, 5, 3));
  const NodeCase outside{.op = "Gather", .inputs = {counting({2}), ints({2})}};
  EXPECT_THROW((void)run(outside), Error);
}

TEST(Gather, WithAScalarIndexDropsTheAxis) {
  EXPECT_EQ(run({.op = "Gather", .inputs = {ints({5, 6}), Tensor::scalar<int64_t>(1)}}).shape(), Shape{});
}

TEST(GatherElements, AlongAnInnerAndAnOuterAxis) {
  const Tensor index = Tensor::from<int64_t>({2, 2}, {0, 0, 1, 0});
  EXPECT_THAT(values<float>(run({.op = "GatherElements", .attributes = {{"axis", int64_t{1}}}, .inputs = {counting({2, 2}), index}})), ElementsAre(0, 0, 3, 2));
  EXPECT_THAT(values<float>(run({.op = "GatherElements", .attributes = {{"axis", int64_t{0}}}, .inputs = {counting({2, 2}), index}})), ElementsAre(0, 1, 2, 1));
}

TEST(GatherND, WithBatchDims) {
  const Tensor y = run({.op = "GatherND", .attributes = {{"batch_dims", int64_t{1}}}, .inputs = {counting({2, 2, 2}), Tensor::from<int64_t>({2, 1}, {1, 0})}});
  EXPECT_THAT(values<float>(y), ElementsAre(2, 3, 4, 5));
}

TEST(ScatterElements, ReducesRepeatedIndices) {
  const NodeCase test{.op = "ScatterElements", .opset = 18, .attributes = {{"reduction", std::string("add")}},
                      .inputs = {floats({3}, {1, 1, 1}), ints({1, 1, -1}), floats({3}, {2, 3, 4})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1, 6, 5));
  EXPECT_THAT(values<float>(test.inputs[0]), ElementsAre(1, 1, 1));  // the input is not written to
}

TEST(ScatterND, WritesSlices) {
  const Tensor y = run({.op = "ScatterND", .inputs = {counting({2, 2}), Tensor::from<int64_t>({1, 1}, {-1}), floats({1, 2}, {8, 9})}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 1, 8, 9));
}

TEST(DepthToSpace, OrdersChannelsByMode) {
  // 8 channels of one pixel; DCR: channel = block * 2 + c, CRD: channel = c * 4 + block.
  const Tensor x = counting({1, 8, 1, 1});
  const auto shuffled = [&](const char* mode) {
    return values<float>(run({.op = "DepthToSpace", .attributes = {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}}, .inputs = {x}}));
  };
  EXPECT_THAT(shuffled("DCR"), ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
  EXPECT_THAT(shuffled("CRD"), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(SpaceToDepth, InvertsDepthToSpace) {
  const Tensor x = counting({2, 8, 3, 5});
  for (const char* mode : {"DCR", "CRD"}) {
    const Attributes attributes{{"blocksize", int64_t{2}}, {"mode", std::string(mode)}};
    const Tensor spread = run({.op = "DepthToSpace", .attributes = attributes, .inputs = {x}});
    EXPECT_TRUE(run({.op = "SpaceToDepth", .attributes = attributes, .inputs = {spread}}).identical(x)) << mode;
  }
}

TEST(Shape, ClampsStartAndEnd) {
  const Attributes tail{{"start", int64_t{-2}}, {"end", int64_t{10}}};
  EXPECT_THAT(values<int64_t>(run({.op = "Shape", .opset = 15, .attributes = tail, .inputs = {counting({2, 3, 4})}})), ElementsAre(3, 4));
}

TEST(Range, CountsDownAndMayBeEmpty) {
  const auto scalar = [](int64_t x) { return Tensor::scalar(x); };
  EXPECT_THAT(values<int64_t>(run({.op = "Range", .inputs = {scalar(10), scalar(4), scalar(-4)}})), ElementsAre(10, 6));
  EXPECT_TRUE(run({.op = "Range", .inputs = {scalar(1), scalar(0), scalar(1)}}).empty());
}

TEST(OneHot, InsertsTheAxisAndIgnoresWhatIsOutside) {
  const Tensor y = run({.op = "OneHot", .attributes = {{"axis", int64_t{0}}}, .inputs = {ints({0, -1, 7}), Tensor::scalar<int64_t>(2), floats({2}, {0, 1})}});
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_THAT(values<float>(y), ElementsAre(1, 0, 0, 0, 1, 0));
}

TEST(NonZero, ListsIndicesByAxis) {
  const Tensor y = run({.op = "NonZero", .inputs = {floats({2, 2}, {1, 0, 0, 3})}});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_THAT(values<int64_t>(y), ElementsAre(0, 1, 0, 1));
}

TEST(Trilu, AcceptsDiagonalsFarOutside) {
  const auto upper = [](int64_t k) { return values<float>(run({.op = "Trilu", .opset = 14, .inputs = {floats({2, 2}, {1, 2, 3, 4}), Tensor::scalar(k)}})); };
  EXPECT_THAT(upper(0), ElementsAre(1, 2, 0, 4));
  EXPECT_THAT(upper(kFar), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(upper(-kFar), ElementsAre(1, 2, 3, 4));
}

TEST(Dropout, MaskTypeFollowsTheOpset) {
  EXPECT_EQ(run_all({.op = "Dropout", .opset = 7, .inputs = {counting({2})}, .outputs = 2})[1].dtype(), DType::kFloat32);
  EXPECT_EQ(run_all({.op = "Dropout", .opset = 10, .inputs = {counting({2})}, .outputs = 2})[1].dtype(), DType::kBool);
}

TEST(Constant, ReadsEveryNumericValueAttribute) {
  EXPECT_THAT(values<int64_t>(run({.op = "Constant", .attributes = {{"value_ints", Ints{1, 2}}}})), ElementsAre(1, 2));
  EXPECT_EQ(run({.op = "Constant", .attributes = {{"value_float", 2.5f}}}).shape(), Shape{});
  EXPECT_THAT(values<float>(run({.op = "Constant", .attributes = {{"value", counting({2})}}})), ElementsAre(0, 1));
}

TEST(ConstantOfShape, FillsAndDefaultsToFloatZero) {
  const Tensor y = run({.op = "ConstantOfShape", .attributes = {{"value", ints({7})}}, .inputs = {ints({1, 2})}});
  EXPECT_THAT(values<int64_t>(y), ElementsAre(7, 7));
  EXPECT_EQ(run({.op = "ConstantOfShape", .inputs = {ints({})}}).type(), (TensorType{DType::kFloat32, Shape{}}));
}

TEST(Compress, FlattensWithoutAxis) {
  const Tensor keep = Tensor::from<bool>({3}, {false, true, true});
  EXPECT_THAT(values<float>(run({.op = "Compress", .inputs = {counting({2, 3}), keep}})), ElementsAre(1, 2));
  EXPECT_THAT(values<float>(run({.op = "Compress", .attributes = {{"axis", int64_t{-1}}}, .inputs = {counting({2, 3}), keep}})), ElementsAre(1, 2, 4, 5));
}

}  // namespace
}  // namespace qtool::ops::testing
