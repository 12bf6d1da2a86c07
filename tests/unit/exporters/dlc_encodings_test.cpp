#include <gmock/gmock.h>

#include "unit/exporters/dlc_case.h"

namespace qtool::exporters {
namespace {

using container::DlcDtype;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(DlcEncodings, TheTensorInsideAFusedPairTakesTheEncodingOfTheRelu) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {2, 2, 1, 1}).node("Conv", {"x", "w"}, {"f"}).node("Relu", {"f"}, {"y"}).output("y");
  c.encode("x", 1, -3).encode("y", 0.5, 0).encode_channels("w", 0, {1, 1});
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Conv2d", "ElementWiseNeuron", "Transpose"));
  EXPECT_FLOAT_EQ(tensor_named(graph, "f").encoding.entries.at(0).scale, 0.5f);
}

TEST(DlcEncodings, AFusedReluBesideAnotherReaderGetsAConvert) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {2, 2, 1, 1}).node("Conv", {"x", "w"}, {"f"}).node("Relu", {"f"}, {"y"});
  c.output("y").output("f").encode("x", 1, -3).encode("f", 1, -100).encode("y", 0.5, 0).encode_channels("w", 0, {1, 1});
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), Contains("Convert"));
  EXPECT_EQ(tensor_named(graph, "f").encoding.entries.at(0).offset, -100);
}

TEST(DlcEncodings, TheRangeOfAClipEndsAtItsBound) {
  DlcCase c;
  c.input("x", {1, 2}).constant("low", Tensor::scalar<float>(0)).constant("high", Tensor::scalar<float>(6));
  c.node("Clip", {"x", "low", "high"}, {"y"}).output("y").encode("x", 0.1, -5).encode("y", 0.1, 0);
  const auto graph = c.quantized();
  EXPECT_FLOAT_EQ(tensor_named(graph, "y").encoding.entries.at(0).max, 6.0f);
  EXPECT_THAT(c.report.notes, Contains(HasSubstr("upper bound")));
}

TEST(DlcEncodings, OpsThatCopyCodesGetAConvertBeforeThem) {
  DlcCase c;
  c.input("x", {2, 3}).ints("shape", {6}).node("Reshape", {"x", "shape"}, {"y"}).output("y").encode("x", 1, -3).encode("y", 0.5, 0);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Convert", "Reshape"));
  EXPECT_EQ(c.report.convert_ops, 1u);
}

TEST(DlcEncodings, AVanishedTransposeStillConverts) {
  DlcCase c;
  c.input("x", {2, 3}).node("Transpose", {"x"}, {"t"}).node("Relu", {"t"}, {"y"}).output("y");
  c.encode("x", 1, -3).encode("t", 0.5, 0).encode("y", 0.5, 0);
  EXPECT_THAT(op_types(c.quantized()), ElementsAre("Convert", "ElementWiseNeuron", "Transpose"));
}

TEST(DlcEncodings, MovedDataWithoutAnEncodingTakesThatOfTheOperand) {
  DlcCase c;
  c.input("x", {2, 3}).ints("shape", {6}).node("Reshape", {"x", "shape"}, {"y"}).output("y").encode("x", 1, -3);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Reshape"));
  EXPECT_EQ(tensor_named(graph, "y").encoding.entries.at(0).offset, -3);
}

TEST(DlcEncodings, AResultBehindAReshapeIsQuantizedInFrontOfIt) {
  DlcCase c;
  c.input("x", {1, 6}).ints("shape", {2, 3}).node("Exp", {"x"}, {"e"}).node("Reshape", {"e", "shape"}, {"y"}).output("y");
  const auto graph = c.encode("x", 1, -3).encode("y", 1, -200).quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Eltwise_Unary", "Reshape"));
  EXPECT_EQ(tensor_named(graph, "e").encoding.entries.at(0).offset, -200);
}

TEST(DlcEncodings, ValuesWithoutEncodingFormAFloatIsland) {
  DlcCase c;
  c.input("x", {2, 3}).node("Exp", {"x"}, {"e"}).node("Neg", {"e"}, {"y"}).output("y").encode("x", 1, -3).encode("y", 1, -200);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Dequantize", "Eltwise_Unary", "Eltwise_Unary", "Quantize"));
  EXPECT_EQ(tensor_named(graph, "e").dtype, DlcDtype::kFloat32);
  EXPECT_EQ(tensor_named(graph, "y").dtype, DlcDtype::kUFixed8);
  EXPECT_THAT(c.report.notes, Contains(HasSubstr("'e'")));
}

TEST(DlcEncodings, WidthsMeetThroughConvert) {
  DlcCase c;
  c.input("a", {2, 3}).input("b", {2, 3}).node("Add", {"a", "b"}, {"y"}).output("y");
  c.encode("a", 1, -3).encode("b", 0.01, -1000, 16).encode("y", 0.02, -500, 16);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Convert", "Eltwise_Binary"));
  const auto& wide = tensor_named(graph, graph.ops[0].outputs[0]);
  EXPECT_EQ(wide.dtype, DlcDtype::kUFixed16);
  EXPECT_FLOAT_EQ(wide.encoding.entries.at(0).scale, 1.0f / 257);  // 65535 / 255 steps in one
  EXPECT_EQ(wide.encoding.entries.at(0).offset, -3 * 257);
}

TEST(DlcEncodings, NarrowResultsOfWideOperandsAreConvertedBehind) {
  DlcCase c;
  c.input("a", {2, 3}).node("Exp", {"a"}, {"y"}).output("y").encode("a", 0.01, -1000, 16).encode("y", 1, 0);
  EXPECT_THAT(op_types(c.quantized()), ElementsAre("Eltwise_Unary", "Convert"));
}

TEST(DlcEncodings, ConstantOperandsGetAGridOfTheirOwn) {
  DlcCase c;
  c.input("x", {2, 3}).constant("k", Tensor::scalar<float>(0.5f)).node("Mul", {"x", "k"}, {"y"}).output("y").encode("x", 1, 0).encode("y", 1, 0);
  const auto& constant = tensor_named(c.quantized(), "k");
  EXPECT_EQ(constant.dtype, DlcDtype::kUFixed8);
  EXPECT_THAT(elements<uint8_t>(constant), ElementsAre(255));
  EXPECT_FLOAT_EQ(constant.encoding.entries.at(0).scale * 255, 0.5f);
}

TEST(DlcEncodings, SymmetricActivationsAreStoredUnsigned) {
  DlcCase c;
  c.input("x", {2, 3}).node("Neg", {"x"}, {"y"}).output("y");
  const quant::Encoding symmetric{.bits = 8, .is_symmetric = true, .grids = {{0.1, -128}}};
  const auto graph = c.encode("x", symmetric).encode("y", symmetric).quantized();
  EXPECT_EQ(tensor_named(graph, "x").dtype, DlcDtype::kUFixed8);
  EXPECT_EQ(tensor_named(graph, "x").encoding.entries.at(0).offset, -128);
}

TEST(DlcEncodings, ComparisonsAreMadeInFloat) {
  DlcCase c;
  c.input("x", {2, 3}).input("z", {2, 3}).node("Greater", {"x", "z"}, {"g"}).node("Where", {"g", "x", "z"}, {"y"}).output("y");
  c.encode("x", 1, 0).encode("z", 2, 0).encode("y", 2, 0);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), ElementsAre("Dequantize", "Dequantize", "Eltwise_Binary", "Convert", "ElementWiseSelect"));
  EXPECT_EQ(tensor_named(graph, "g").dtype, DlcDtype::kBool);
}

TEST(DlcEncodings, HalfPrecisionStaysInside) {
  DlcCase c;
  c.input("x", {1, 2}).floats("w", {2, 2}).node("MatMul", {"x", "w"}, {"y"}).output("y");
  const auto graph = c.exported({.float_type = DlcExportOptions::FloatType::kFloat16});
  EXPECT_THAT(op_types(graph), ElementsAre("Cast", "FullyConnected", "Cast"));
  EXPECT_EQ(tensor_named(graph, "x").dtype, DlcDtype::kFloat32);
  EXPECT_EQ(tensor_named(graph, "w").dtype, DlcDtype::kFloat16);
  EXPECT_EQ(tensor_named(graph, "y").dtype, DlcDtype::kFloat32);
  EXPECT_THAT(elements<uint16_t>(tensor_named(graph, "w")), ElementsAre(0x0000, 0x3c00, 0xbc00, 0xc000));
}

TEST(DlcEncodings, LayerNormWeightsAreUnsigned) {
  DlcCase c;
  c.input("x", {1, 4}).floats("g", {4}).floats("b", {4}).node("LayerNormalization", {"x", "g", "b"}, {"y"}).output("y");
  c.encode("x", 1, 0).encode("y", 1, -128).encode("g", {.bits = 8, .is_symmetric = true, .grids = {{1, -128}}});
  const auto graph = c.quantized();
  EXPECT_EQ(tensor_named(graph, "g").dtype, DlcDtype::kUFixed8);
  EXPECT_EQ(tensor_named(graph, "b").dtype, DlcDtype::kSFixed32);
  EXPECT_THAT(list_of(graph.ops[0], "axes"), ElementsAre(1));
}

TEST(DlcEncodings, SharedWeightsAreWrittenOnce) {
  DlcCase c;
  c.input("x", {1, 2, 4, 4}).floats("w", {2, 2, 1, 1}).node("Conv", {"x", "w"}, {"a"}).node("Conv", {"a", "w"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(graph.ops[0].inputs[1], graph.ops[1].inputs[1]);
}

}  // namespace
}  // namespace qtool::exporters
