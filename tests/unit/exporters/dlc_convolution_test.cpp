#include <gmock/gmock.h>

#include "unit/exporters/dlc_case.h"

namespace qtool::exporters {
namespace {

using container::DlcDtype;
using container::DlcEncodingType;
using container::DlcLocation;
using testing::ElementsAre;

using Dims = std::vector<uint32_t>;

quant::Encoding symmetric(double scale, int bits) {
  return {.bits = bits, .is_symmetric = true, .grids = {{scale, -(int64_t{1} << (bits - 1))}}};
}

// x [1,2,4,4] -> Conv 1x1, 2 to 3 channels -> y.
DlcCase pointwise_case() {
  DlcCase c;
  c.input("x", {1, 2, 4, 4});
  c.constant("w", Tensor::from<float>({3, 2, 1, 1}, {1, 2, 3, 4, 5, 6}));
  c.constant("b", Tensor::from<float>({3}, {1, -2, 3}));
  c.node("Conv", {"x", "w", "b"}, {"y"}).output("y");
  return c;
}

TEST(DlcConvolution, ImagesAreChannelsLastAndTheOutputKeepsItsOnnxOrder) {
  const auto graph = pointwise_case().exported();
  EXPECT_THAT(op_types(graph), ElementsAre("Conv2d", "Transpose"));
  EXPECT_EQ(tensor_named(graph, "x").dims, (Dims{1, 4, 4, 2}));
  EXPECT_EQ(tensor_named(graph, "x").location, DlcLocation::kGraphInput);
  EXPECT_EQ(tensor_named(graph, "y.nhwc").dims, (Dims{1, 4, 4, 3}));
  EXPECT_EQ(tensor_named(graph, "y").dims, (Dims{1, 3, 4, 4}));
  EXPECT_EQ(tensor_named(graph, "y").location, DlcLocation::kGraphOutput);
  EXPECT_THAT(list_of(graph.ops[1], "perm"), ElementsAre(0, 3, 1, 2));
}

TEST(DlcConvolution, FloatWeightsAreStoredHeightWidthInOut) {
  const auto graph = pointwise_case().exported();
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{1, 1, 2, 3}));
  EXPECT_THAT(elements<float>(tensor_named(graph, "w")), ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_THAT(elements<float>(tensor_named(graph, "b")), ElementsAre(1, -2, 3));
}

TEST(DlcConvolution, PerChannelWeightsKeepTheirChannelsThroughTheTransposition) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10).encode("y", 0.25, -100).encode_channels("w", 0, {1.0, 0.5, 2.0});
  const auto graph = c.quantized();
  const auto& weight = tensor_named(graph, "w");
  EXPECT_EQ(weight.dtype, DlcDtype::kSFixed8);
  EXPECT_EQ(weight.encoding.type, DlcEncodingType::kAxisScaleOffset);
  EXPECT_EQ(weight.encoding.axis, 3);
  ASSERT_EQ(weight.encoding.entries.size(), 3u);
  EXPECT_FLOAT_EQ(weight.encoding.entries[1].scale, 0.5f);
  EXPECT_EQ(weight.encoding.entries[1].offset, 0);
  // Rows of the weight divided by 1, 0.5 and 2, half to even: {1,2} {6,8} {2.5->2,3}.
  EXPECT_THAT(elements<int8_t>(weight), ElementsAre(1, 6, 2, 2, 8, 3));
  EXPECT_EQ(tensor_named(graph, "x").dtype, DlcDtype::kUFixed8);
  EXPECT_EQ(tensor_named(graph, "x").encoding.entries[0].offset, -10);
}

TEST(DlcConvolution, TheBiasIsDerivedFromInputAndWeightScale) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10).encode("y", 0.25, -100).encode_channels("w", 0, {1.0, 0.5, 2.0});
  const auto graph = c.quantized();
  const auto& bias = tensor_named(graph, "b");
  EXPECT_EQ(bias.dtype, DlcDtype::kSFixed32);
  EXPECT_EQ(bias.encoding.axis, 0);
  EXPECT_FLOAT_EQ(bias.encoding.entries[2].scale, 1.0f);
  EXPECT_THAT(elements<int32_t>(bias), ElementsAre(2, -8, 3));
}

TEST(DlcConvolution, EightBitBiasesAreKeptBesidePerTensorWeights) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10).encode("y", 0.25, -100).encode("w", 0.1, -128).encode("b", 0.02, -100);
  const auto graph = c.quantized();
  EXPECT_EQ(tensor_named(graph, "w").dtype, DlcDtype::kUFixed8);
  EXPECT_EQ(tensor_named(graph, "w").encoding.entries[0].offset, -128);
  EXPECT_THAT(elements<uint8_t>(tensor_named(graph, "w")), ElementsAre(138, 158, 178, 148, 168, 188));
  EXPECT_EQ(tensor_named(graph, "b").dtype, DlcDtype::kUFixed8);
  EXPECT_THAT(elements<uint8_t>(tensor_named(graph, "b")), ElementsAre(150, 0, 250));
}

TEST(DlcConvolution, EightBitBiasesBecomeThirtyTwoBitOnesBesidePerChannelWeights) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10).encode("y", 0.25, -100).encode_channels("w", 0, {1.0, 0.5, 2.0}).encode("b", 0.02, -100);
  EXPECT_EQ(tensor_named(c.quantized(), "b").dtype, DlcDtype::kSFixed32);
}

TEST(DlcConvolution, FourBitWeightsTakeOneSignedByteEach) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10).encode("y", 0.25, -100).encode_channels("w", 0, {1.0, 1.0, 1.0}, 4);
  const auto& weight = tensor_named(c.quantized(), "w");
  EXPECT_EQ(weight.dtype, DlcDtype::kSFixed8);
  EXPECT_EQ(weight.encoding.type, DlcEncodingType::kBitwidthAxisScaleOffset);
  EXPECT_EQ(weight.encoding.entries[0].bitwidth, 4u);
  EXPECT_THAT(elements<int8_t>(weight), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST(DlcConvolution, SixteenBitSymmetricWeightsAreSigned) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, -10, 16).encode("y", 0.25, -100, 16).encode("w", symmetric(0.001, 16));
  const auto& weight = tensor_named(c.quantized(), "w");
  EXPECT_EQ(weight.dtype, DlcDtype::kSFixed16);
  EXPECT_THAT(elements<int16_t>(weight), ElementsAre(1000, 3000, 5000, 2000, 4000, 6000));
}

TEST(DlcConvolution, AMissingBiasBecomesZeros) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {3, 2, 1, 1}).node("Conv", {"x", "w"}, {"y"}).output("y");
  c.encode("x", 0.5, 0).encode("y", 0.25, 0).encode_channels("w", 0, {1, 1, 1});
  EXPECT_THAT(elements<int32_t>(tensor_named(c.quantized(), "op_y.bias")), ElementsAre(0, 0, 0));
}

TEST(DlcConvolution, PerChannelAsymmetricWeightsAreRefused) {
  DlcCase c = pointwise_case();
  c.encode("x", 0.5, 0).encode("y", 0.25, 0);
  c.encode("w", {.bits = 8, .channel_axis = 0, .grids = {{1, -3}, {1, -3}, {1, -3}}});
  EXPECT_THROW((void)c.quantized(), Error);
}

TEST(DlcConvolution, WindowParametersAreResolved) {
  DlcCase c;
  c.input("x", {1, 4, 9, 9}).floats("w", {6, 2, 3, 3}).node("Conv", {"x", "w"}, {"y"},
      {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 3}}, {"dilations", Ints{1, 2}}, {"group", int64_t{2}}});
  const auto graph = c.output("y").exported();
  const auto& conv = op_named(graph, "op_y");
  EXPECT_THAT(list_of(conv, "stride"), ElementsAre(2, 1));
  EXPECT_THAT(list_of(conv, "pad_amount"), ElementsAre(1, 2, 0, 3));  // top, bottom, left, right
  EXPECT_THAT(list_of(conv, "dilation"), ElementsAre(1, 2));
  EXPECT_EQ(scalar_of(conv, "group"), 2);
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{3, 3, 2, 6}));
}

std::string convolution_type(int64_t out_channels) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {out_channels, 1, 3, 3}).node("Conv", {"x", "w"}, {"y"}, {{"group", int64_t{2}}}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{3, 3, 1, static_cast<uint32_t>(out_channels)}));
  return graph.ops[0].type;
}

TEST(DlcConvolution, OneChannelInAndOutAGroupIsDepthwise) {
  EXPECT_EQ(convolution_type(2), "DepthWiseConv2d");
  EXPECT_EQ(convolution_type(4), "Conv2d");
}

TEST(DlcConvolution, OneSpatialAxisGoesThroughAnImageOfHeightOne) {
  DlcCase c;
  c.input("x", {1, 2, 8}).floats("w", {3, 2, 3}).node("Conv", {"x", "w"}, {"y"}, {{"pads", Ints{1, 1}}}).output("y");
  const auto graph = c.exported();
  // To channels-last, to an image, convolve, back to one axis, back to the ONNX order.
  EXPECT_THAT(op_types(graph), ElementsAre("Transpose", "Reshape", "Conv2d", "Reshape", "Transpose"));
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{1, 3, 2, 3}));
  EXPECT_THAT(list_of(graph.ops[2], "pad_amount"), ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(tensor_named(graph, "y").dims, (Dims{1, 3, 8}));
}

TEST(DlcConvolution, TransposedConvolutionsKeepInputsBeforeOutputs) {
  DlcCase c;
  c.input("x", {1, 4, 2, 2}).constant("w", Tensor::from<float>({4, 2, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8}));
  c.node("ConvTranspose", {"x", "w"}, {"y"}, {{"group", int64_t{2}}, {"strides", Ints{2, 2}}, {"output_padding", Ints{1, 1}}}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(graph.ops[0].type, "TransposeConv2d");
  EXPECT_THAT(list_of(graph.ops[0], "output_padding"), ElementsAre(1, 1));
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{1, 1, 4, 2}));
  EXPECT_EQ(tensor_named(graph, "op_y.bias").dims, (Dims{4}));
}

TEST(DlcConvolution, GroupsOfATransposedConvolutionAreRefusedPerChannel) {
  DlcCase c;
  c.input("x", {1, 4, 2, 2}).floats("w", {4, 2, 1, 1}).node("ConvTranspose", {"x", "w"}, {"y"}, {{"group", int64_t{2}}}).output("y");
  c.encode("x", 1, 0).encode("y", 1, 0).encode_channels("w", 1, {1, 2});
  EXPECT_THROW((void)c.quantized(), Error);
}

TEST(DlcConvolution, TransposedConvolutionsAreQuantizedAlongTheirSecondAxis) {
  DlcCase c;
  c.input("x", {1, 1, 2, 2}).constant("w", Tensor::from<float>({1, 2, 1, 1}, {4, 4}));
  c.node("ConvTranspose", {"x", "w"}, {"y"}).output("y");
  c.encode("x", 1, 0).encode("y", 1, 0).encode_channels("w", 1, {1, 2});
  const auto& weight = tensor_named(c.quantized(), "w");
  EXPECT_EQ(weight.encoding.axis, 3);
  EXPECT_THAT(elements<int8_t>(weight), ElementsAre(4, 2));
}

TEST(DlcConvolution, ComputedWeightsAreRefused) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).input("w", {3, 2, 1, 1}).node("Conv", {"x", "w"}, {"y"}).output("y");
  EXPECT_THROW((void)c.exported(), Error);
}

TEST(DlcMatrixProduct, GemmBecomesFullyConnectedWithOutInWeights) {
  DlcCase c;
  c.input("x", {1, 2}).constant("w", Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})).floats("b", {3});
  c.node("Gemm", {"x", "w", "b"}, {"y"}).output("y");
  c.encode("x", 1, 0).encode("y", 1, 0).encode("w", symmetric(1, 8));
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("FullyConnected"));
  EXPECT_EQ(tensor_named(graph, "w").dims, (Dims{3, 2}));
  EXPECT_THAT(elements<int8_t>(tensor_named(graph, "w")), ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(DlcMatrixProduct, ProductsWithAConstantAreFlattenedToRows) {
  DlcCase c;
  c.input("x", {1, 5, 2}).floats("w", {2, 3}).node("MatMul", {"x", "w"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("Reshape", "FullyConnected", "Reshape"));
  EXPECT_EQ(tensor_named(graph, "op_y.rows").dims, (Dims{5, 3}));
  EXPECT_EQ(tensor_named(graph, "y").dims, (Dims{1, 5, 3}));
}

TEST(DlcMatrixProduct, ATransposedOperandIsTransposedByTheOp) {
  DlcCase c;
  c.input("a", {2, 3, 4}).input("b", {2, 5, 4}).node("Transpose", {"b"}, {"t"}, {{"perm", Ints{0, 2, 1}}});
  c.node("MatMul", {"a", "t"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_THAT(op_types(graph), ElementsAre("MatMul"));
  EXPECT_EQ(scalar_of(graph.ops[0], "transpose_in0"), 0);
  EXPECT_EQ(scalar_of(graph.ops[0], "transpose_in1"), 1);
}

}  // namespace
}  // namespace qtool::exporters
