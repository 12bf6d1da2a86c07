#include <gmock/gmock.h>

#include "unit/exporters/dlc_case.h"

namespace qtool::exporters {
namespace {

using testing::ElementsAre;
using Dims = std::vector<uint32_t>;

TEST(DlcLayout, TransposesOfTheModelVanishIntoTheLayout) {
  // A detection head: NCHW convolution, Transpose to NHWC, Reshape. Channels-last is what lies there already.
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {6, 2, 1, 1}).ints("shape", {1, 32, 3}).node("Conv", {"x", "w"}, {"f"});
  c.node("Transpose", {"f"}, {"t"}, {{"perm", Ints{0, 2, 3, 1}}}).node("Reshape", {"t", "shape"}, {"y"}).output("y");
  EXPECT_THAT(op_types(c.exported()), ElementsAre("Conv2d", "Reshape"));
}

TEST(DlcLayout, ReshapeOfAnImageGoesThroughTheOnnxOrder) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).ints("shape", {1, 32}).node("Reshape", {"x", "shape"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("Transpose", "Reshape"));
  EXPECT_NE(graph.find_tensor("x.nchw"), nullptr);
}

TEST(DlcLayout, AxesOfExtentOneMoveWithoutATranspose) {
  DlcCase c;
  c.input("x", {1, 8, 4, 4}).node("GlobalAveragePool", {"x"}, {"p"}).node("Flatten", {"p"}, {"y"}).output("y");
  EXPECT_THAT(op_types(c.exported()), ElementsAre("PoolAvg2d", "Reshape"));
}

TEST(DlcLayout, ATransposedOutputIsWrittenUnderItsName) {
  DlcCase c;
  c.input("x", {2, 3}).node("Transpose", {"x"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("Transpose"));
  EXPECT_EQ(tensor_named(graph, "y").dims, (Dims{3, 2}));
}

TEST(DlcLayout, ACopiedInputBecomesAReshape) {
  DlcCase c;
  c.input("x", {2, 3}).node("Identity", {"x"}, {"y"}).output("y");
  EXPECT_THAT(op_types(c.exported()), ElementsAre("Reshape"));
}

TEST(DlcLayout, AnOutputThatIsAnInputIsRefused) {
  DlcCase c;
  c.input("x", {2, 3}).output("x");
  EXPECT_THROW((void)c.exported(), Error);
}

TEST(DlcLayout, AxesCountInTheStoredOrder) {
  DlcCase c;
  c.input("x", {1, 4, 6, 8}).node("Relu", {"x"}, {"r"});
  c.node("Concat", {"x", "r"}, {"cat"}, {{"axis", int64_t{1}}});
  c.node("Split", {"cat"}, {"a", "b"}, {{"axis", int64_t{2}}});
  c.node("ReduceMean", {"a"}, {"m"}, {{"axes", Ints{2, 3}}, {"keepdims", int64_t{0}}}).output("m").output("b");
  const auto graph = c.exported();
  EXPECT_EQ(scalar_of(op_named(graph, "op_cat"), "axis"), 3);
  EXPECT_EQ(scalar_of(op_named(graph, "op_a"), "axis"), 1);
  EXPECT_THAT(list_of(op_named(graph, "op_a"), "split_index"), ElementsAre(3));
  EXPECT_THAT(list_of(op_named(graph, "op_m"), "axes"), ElementsAre(1, 2));
  EXPECT_EQ(tensor_named(graph, "m").dims, (Dims{1, 8}));
}

TEST(DlcLayout, OutputsComeInTheOrderOfTheModel) {
  DlcCase c;
  c.input("x", {2, 3}).node("Relu", {"x"}, {"first"}).node("Abs", {"x"}, {"second"}).output("second").output("first");
  std::vector<std::string> names;
  for (const auto& tensor : c.exported().tensors) {
    if (tensor.location == container::DlcLocation::kGraphOutput) names.push_back(tensor.name);
  }
  EXPECT_THAT(names, ElementsAre("second", "first"));
}

TEST(DlcLayout, PadsAndRangesAreReordered) {
  DlcCase c;
  c.input("x", {1, 2, 4, 6}).ints("pads", {0, 0, 1, 2, 0, 0, 3, 4}).node("Pad", {"x", "pads"}, {"p"});
  c.ints("starts", {1, 2}).ints("ends", {3, 100}).ints("axes", {2, 3}).ints("steps", {1, 2});
  c.node("Slice", {"p", "starts", "ends", "axes", "steps"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(list_of(op_named(graph, "op_p"), "pad_amount"), ElementsAre(0, 0, 1, 3, 2, 4, 0, 0));
  EXPECT_THAT(list_of(op_named(graph, "op_y"), "ranges"), ElementsAre(0, 1, 1, 1, 3, 1, 2, 12, 2, 0, 2, 1));
}

TEST(DlcLayout, NegativePadsAreCutOff) {
  DlcCase c;
  c.input("x", {1, 2, 4, 6}).ints("pads", {0, 0, -1, 2, 0, 0, 0, 0}).node("Pad", {"x", "pads"}, {"y"}).output("y");
  EXPECT_THAT(op_types(c.exported()), ElementsAre("StridedSlice", "Pad", "Transpose"));
}

TEST(DlcLayout, ReversedSlicesEndBeforeTheFirstElement) {
  DlcCase c;
  c.input("x", {5}).ints("starts", {-1}).ints("ends", {-100}).ints("axes", {0}).ints("steps", {-1});
  c.node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"}).output("y");
  const auto ranges = list_of(op_named(c.exported(), "op_y"), "ranges");
  EXPECT_THAT(ranges, ElementsAre(4, static_cast<uint32_t>(-1), static_cast<uint32_t>(-1)));
}

TEST(DlcLayout, ChannelConstantsOfBroadcastsMoveToTheLastAxis) {
  DlcCase c;
  c.input("x", {1, 3, 4, 4}).floats("s", {1, 3, 1, 1}).floats("t", {3, 1, 1}).floats("one", {});
  c.node("Mul", {"x", "s"}, {"a"}).node("Add", {"t", "a"}, {"b"}).node("Sub", {"b", "one"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(tensor_named(graph, "s").dims, (Dims{1, 1, 1, 3}));
  EXPECT_EQ(tensor_named(graph, "t").dims, (Dims{1, 1, 1, 3}));
  EXPECT_EQ(tensor_named(graph, "one").dims, (Dims{1}));
}

TEST(DlcLayout, OperandsOfLowerRankAreReshaped) {
  DlcCase c;
  c.input("x", {1, 3, 4, 5}).input("v", {5}).node("Mul", {"x", "v"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(tensor_named(graph, op_named(graph, "op_y").inputs[1]).dims, (Dims{1, 1, 5, 1}));
}

TEST(DlcLayout, SoftmaxWorksAlongTheLastStoredAxis) {
  DlcCase c;
  c.input("x", {1, 3, 4, 5}).node("Softmax", {"x"}, {"channels"}, {{"axis", int64_t{1}}}).output("channels");
  c.node("Softmax", {"x"}, {"rows"}, {{"axis", int64_t{2}}}).output("rows");
  const auto graph = c.exported();
  EXPECT_EQ(scalar_of(op_named(graph, "op_channels"), "axis"), 3);
  EXPECT_EQ(op_named(graph, "op_channels").inputs[0], "x");
  EXPECT_EQ(tensor_named(graph, op_named(graph, "op_rows").inputs[0]).dims, (Dims{1, 5, 3, 4}));
}

TEST(DlcLayout, OldSoftmaxNormalizesAllTrailingAxes) {
  DlcCase c;
  c.input("x", {2, 3, 4}).node("Softmax", {"x"}, {"y"}, {{"axis", int64_t{1}}}, 11).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("Reshape", "Softmax", "Reshape"));
  EXPECT_EQ(tensor_named(graph, "op_y.rows").dims, (Dims{2, 12}));
}

TEST(DlcLayout, OneConstantIndexIsASlice) {
  DlcCase c;
  c.input("x", {3, 4, 5}).constant("i", Tensor::scalar<int64_t>(-1)).node("Gather", {"x", "i"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("StridedSlice", "Reshape"));
  EXPECT_THAT(list_of(graph.ops[0], "ranges"), ElementsAre(0, 3, 1, 3, 4, 1, 0, 5, 1));
}

TEST(DlcLayout, GatherIndicesAreNormalisedTo32Bits) {
  DlcCase c;
  c.input("x", {1, 3, 4, 4}).ints("i", {0, -1}).node("Gather", {"x", "i"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(elements<int32_t>(tensor_named(graph, "op_y.indices")), ElementsAre(0, 2));
  EXPECT_EQ(scalar_of(op_named(graph, "op_y"), "axis"), 3);
}

Attributes resize_mode(const char* mode, const char* transform, const char* nearest = "floor") {
  return {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(transform)}, {"nearest_mode", std::string(nearest)}};
}

container::DlcGraph resized(const char* mode, const char* transform, int64_t to, const char* nearest = "floor") {
  DlcCase c;
  c.input("x", {1, 3, 4, 4}).ints("sizes", {1, 3, to, to});
  c.node("Resize", {"x", "", "", "sizes"}, {"y"}, resize_mode(mode, transform, nearest)).output("y");
  return c.exported();
}

TEST(DlcLayout, ResizeModesBecomeTheBackendsTwoFlags) {
  EXPECT_EQ(resized("nearest", "asymmetric", 8).ops[0].type, "ResizeNearestNeighbor");
  EXPECT_EQ(scalar_of(resized("nearest", "asymmetric", 8).ops[0], "half_pixel_centers"), 0);
  EXPECT_EQ(scalar_of(resized("nearest", "half_pixel", 6, "round_prefer_ceil").ops[0], "half_pixel_centers"), 1);
  EXPECT_EQ(resized("linear", "half_pixel", 7).ops[0].type, "ResizeBilinear");
  EXPECT_EQ(scalar_of(resized("linear", "half_pixel", 7).ops[0], "half_pixel_centers"), 1);
  EXPECT_EQ(scalar_of(resized("linear", "align_corners", 7).ops[0], "align_corners"), 1);
}

TEST(DlcLayout, OtherNearestRulesAreGathered) {
  const auto graph = resized("nearest", "asymmetric", 6, "ceil");
  EXPECT_THAT(op_types(graph), ElementsAre("Gather", "Gather", "Transpose"));
  // x * 4 / 6 rounded up, kept inside: 0, 1, 2, 2, 3, 4 -> 3.
  EXPECT_THAT(elements<int32_t>(tensor_named(graph, "op_y.rows")), ElementsAre(0, 1, 2, 2, 3, 3));
}

TEST(DlcLayout, CeilModeIsARoundingMode) {
  DlcCase c;
  c.input("x", {1, 3, 6, 6}).node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}});
  const auto graph = c.output("y").exported();
  EXPECT_EQ(tensor_named(graph, "y").dims, (Dims{1, 3, 3, 3}));
  EXPECT_EQ(scalar_of(graph.ops[0], "rounding_mode"), 1);
}

}  // namespace
}  // namespace qtool::exporters
