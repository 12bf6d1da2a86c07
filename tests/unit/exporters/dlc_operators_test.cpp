// Every operator that the exporter claims goes through build, verification, bytes and back, in float and quantized.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>

#include "unit/exporters/dlc_case.h"

namespace qtool::exporters {
namespace {

using testing::HasSubstr;

struct OperatorCase {
  std::string name;
  std::string main_type;  // of an op that must be in the result
  std::function<void(DlcCase&)> build;
};

// One operand "x", one result "y".
OperatorCase unary(const std::string& op, const std::string& main_type, Attributes attributes = {}, int64_t opset = 17) {
  return {op, main_type, [=](DlcCase& c) { c.input("x", {1, 4, 6, 6}).node(op, {"x"}, {"y"}, attributes, opset); }};
}

OperatorCase binary(const std::string& op) {
  return {op, "Eltwise_Binary", [=](DlcCase& c) { c.input("x", {1, 4, 6, 6}).input("z", {1, 4, 1, 1}).node(op, {"x", "z"}, {"y"}); }};
}

std::vector<OperatorCase> activations() {
  std::vector<OperatorCase> cases;
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Elu", "HardSigmoid"}) cases.push_back(unary(op, "ElementWiseNeuron"));
  cases.push_back(unary("Gelu", "ElementWiseNeuron", {}, 20));
  cases.push_back(unary("Mish", "Eltwise_Binary", {}, 18));
  cases.push_back(unary("LeakyRelu", "Prelu"));
  cases.push_back({"PRelu", "Prelu", [](DlcCase& c) { c.input("x", {1, 4, 6, 6}).floats("s", {4, 1, 1}, 0.1f).node("PRelu", {"x", "s"}, {"y"}); }});
  cases.push_back({"Clip6", "ElementWiseNeuron", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).node("Clip", {"x"}, {"y"}, {{"min", 0.0f}, {"max", 6.0f}}, 6);
                   }});
  return cases;
}

std::vector<OperatorCase> element_wise() {
  std::vector<OperatorCase> cases;
  for (const char* op : {"Abs", "Neg", "Exp", "Log", "Sqrt", "Floor", "Ceil", "Round", "Sin", "Cos", "Sign"}) cases.push_back(unary(op, "Eltwise_Unary"));
  cases.push_back(unary("Reciprocal", "Eltwise_Binary"));
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow"}) cases.push_back(binary(op));
  cases.push_back({"Sum3", "Eltwise_Binary", [](DlcCase& c) { c.input("x", {2, 3}).node("Sum", {"x", "x", "x"}, {"y"}); }});
  cases.push_back({"Square", "Eltwise_Binary", [](DlcCase& c) {
                     c.input("x", {2, 3}).constant("two", Tensor::scalar<float>(2)).node("Pow", {"x", "two"}, {"y"});
                   }});
  return cases;
}

std::vector<OperatorCase> movement() {
  const Attributes blocks = {{"blocksize", int64_t{2}}};
  std::vector<OperatorCase> cases = {
      unary("DepthToSpace", "DepthToSpace", blocks), unary("SpaceToDepth", "SpaceToDepth", blocks), unary("Flatten", "Reshape"),
      unary("Transpose", "Transpose"), unary("Identity", "Transpose"), unary("Dropout", "Transpose")};
  cases.push_back({"Tile", "Tile", [](DlcCase& c) { c.input("x", {1, 4, 6, 6}).ints("r", {1, 1, 2, 1}).node("Tile", {"x", "r"}, {"y"}); }});
  cases.push_back({"Expand", "Tile", [](DlcCase& c) { c.input("x", {4, 1}).ints("s", {2, 4, 3}).node("Expand", {"x", "s"}, {"y"}); }});
  cases.push_back({"Squeeze", "Reshape", [](DlcCase& c) { c.input("x", {1, 4, 1, 6}).ints("a", {2}).node("Squeeze", {"x", "a"}, {"y"}); }});
  cases.push_back({"Unsqueeze", "Reshape", [](DlcCase& c) { c.input("x", {4, 6}).ints("a", {0}).node("Unsqueeze", {"x", "a"}, {"y"}); }});
  cases.push_back({"PadReflect", "Pad", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).ints("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"x", "p"}, {"y"}, {{"mode", std::string("reflect")}});
                   }});
  cases.push_back({"Upsample", "ResizeNearestNeighbor", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).constant("s", Tensor::from<float>({4}, {1, 1, 2, 2})).node("Upsample", {"x", "s"}, {"y"}, {}, 9);
                   }});
  cases.push_back({"Cubic", "Resize", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).ints("s", {1, 4, 9, 9}).node("Resize", {"x", "", "", "s"}, {"y"}, {{"mode", std::string("cubic")}});
                   }});
  return cases;
}

std::vector<OperatorCase> reductions() {
  std::vector<OperatorCase> cases = {unary("GlobalAveragePool", "PoolAvg2d"), unary("GlobalMaxPool", "PoolMax2d"),
                                     unary("AveragePool", "PoolAvg2d", {{"kernel_shape", Ints{2, 2}}}),
                                     unary("MaxPool", "PoolMax2d", {{"kernel_shape", Ints{2, 2}}}),
                                     unary("LogSoftmax", "Softmax"), unary("Softmax", "Softmax"),
                                     unary("LpNormalization", "L2Norm"), unary("ReduceMax", "ReduceMax"),
                                     unary("ReduceMin", "ReduceMin", {{"axes", Ints{1}}}), unary("ReduceMean", "ReduceMean", {{"axes", Ints{-1}}})};
  cases.push_back({"ReduceSum", "ReduceSum", [](DlcCase& c) { c.input("x", {1, 4, 6, 6}).ints("a", {1}).node("ReduceSum", {"x", "a"}, {"y"}); }});
  cases.push_back({"InstanceNormalization", "InstanceNorm", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).floats("s", {4}).floats("b", {4}).node("InstanceNormalization", {"x", "s", "b"}, {"y"});
                   }});
  cases.push_back({"BatchNormalization", "Batchnorm", [](DlcCase& c) {
                     c.input("x", {1, 4, 6, 6}).floats("s", {4}).floats("b", {4}).floats("m", {4}).constant("v", Tensor::from<float>({4}, {1, 2, 3, 4}));
                     c.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"});
                   }});
  return cases;
}

std::vector<OperatorCase> all_cases() {
  std::vector<OperatorCase> cases;
  for (const auto& family : {activations(), element_wise(), movement(), reductions()}) cases.insert(cases.end(), family.begin(), family.end());
  return cases;
}

class DlcOperators : public testing::TestWithParam<OperatorCase> {};

TEST_P(DlcOperators, IsExportedInFloat) {
  DlcCase c;
  GetParam().build(c);
  EXPECT_THAT(op_types(c.output("y").exported()), testing::Contains(GetParam().main_type));
}

TEST_P(DlcOperators, IsExportedInHalfPrecision) {
  DlcCase c;
  GetParam().build(c);
  EXPECT_THAT(op_types(c.output("y").exported({.float_type = DlcExportOptions::FloatType::kFloat16})), testing::Contains(GetParam().main_type));
}

TEST_P(DlcOperators, IsExportedQuantized) {
  DlcCase c;
  GetParam().build(c);
  c.output("y");
  for (const ir::ValueId input : c.state().graph.inputs) c.encode(c.state().graph.value(input).name, 0.02, -100);
  c.encode("y", 0.03, -20);
  const auto graph = c.quantized();
  EXPECT_THAT(op_types(graph), testing::Contains(GetParam().main_type));
  EXPECT_EQ(tensor_named(graph, "y").dtype, container::DlcDtype::kUFixed8);
}

std::string name_of(const testing::TestParamInfo<OperatorCase>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(All, DlcOperators, testing::ValuesIn(all_cases()), name_of);

TEST(DlcExporter, IndexResultsAre32Bits) {
  DlcCase c;
  c.input("x", {1, 3, 4, 4}).node("ArgMax", {"x"}, {"y"}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}).output("y").encode("x", 1, 0);
  const auto graph = c.quantized();
  EXPECT_EQ(tensor_named(graph, "y").dtype, container::DlcDtype::kInt32);
  EXPECT_EQ(scalar_of(graph.ops[0], "axis"), 3);
}

TEST(DlcExporter, TopKRunsInFloat) {
  DlcCase c;
  c.input("x", {1, 9}).ints("k", {3}).node("TopK", {"x", "k"}, {"v", "i"}).output("v").output("i").encode("x", 1, 0).encode("v", 1, 0);
  EXPECT_THAT(op_types(c.quantized()), testing::ElementsAre("Dequantize", "TopK", "Quantize"));
}

TEST(DlcExporter, UnreadOutputsGetATensorToo) {
  DlcCase c;
  c.input("x", {1, 4}).node("Split", {"x"}, {"a", "b"}, {{"axis", int64_t{1}}}).output("a").encode("x", 1, 0).encode("a", 1, 0);
  const auto graph = c.quantized();
  EXPECT_EQ(graph.ops[0].outputs.size(), 2u);
}

TEST(DlcExporter, CastsBetweenSameStoredTypesVanish) {
  DlcCase c;
  c.input("x", {1, 4}, DType::kInt64).node("Cast", {"x"}, {"i"}, {{"to", int64_t{6}}});  // int32
  c.node("Cast", {"i"}, {"y"}, {{"to", int64_t{1}}}).output("y");
  EXPECT_THAT(op_types(c.exported()), testing::ElementsAre("Cast"));
}

TEST(DlcExporter, SaysWhyARecurrentNodeIsNotWritten) {
  const auto refusal = [](const std::vector<std::string>& more) {
    DlcCase c;
    c.input("x", {5, 1, 2}).floats("w", {1, 12, 2}).floats("r", {1, 12, 3}).floats("p", {1, 9});
    std::vector<std::string> inputs{"x", "w", "r"};
    inputs.insert(inputs.end(), more.begin(), more.end());
    c.node("LSTM", inputs, {"y"}, {{"hidden_size", int64_t{3}}}).output("y");
    try {
      (void)c.exported();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal({}), HasSubstr("--unroll-recurrent"));
  EXPECT_THAT(refusal({"", "", "", "", "p"}), HasSubstr("through peepholes (input P)"));
}

TEST(DlcExporter, AllUnsupportedNodesAreListedAtOnce) {
  DlcCase c;
  c.input("x", {1, 4}).node("Erf", {"x"}, {"a"}).node("Relu", {"a"}, {"b"}).node("Cosh", {"x"}, {"d"}).output("b").output("d");
  try {
    (void)c.exported();
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("op_a"));
    EXPECT_THAT(error.what(), HasSubstr("op_d"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("op_b")));
  }
}

TEST(DlcExporter, OptionsAreRecordedInOneLineEach) {
  DlcCase c;
  c.input("x", {1, 4}).node("Relu", {"x"}, {"y"}).output("y");
  const auto file = build_dlc(c.state(), {.model_name = "net", .tool_version = "1.2", .recorded_options = {{"bits", "8\nx"}}});
  EXPECT_EQ(file.graphs[0].name, "net");
  EXPECT_EQ(file.metadata[0].second, "qtool bits=8 x");
  EXPECT_EQ(file.metadata[1].second, "1.2");
}

TEST(DlcExporter, TheReportCountsWhatWasWritten) {
  DlcCase c;
  c.input("x", {1, 2}).floats("w", {2, 2}).node("MatMul", {"x", "w"}, {"y"}).output("y");
  const auto graph = c.exported();
  EXPECT_EQ(c.report.ops, graph.ops.size());
  EXPECT_EQ(c.report.static_bytes, 4u * 4 + 2 * 4);
  EXPECT_EQ(c.report.encodings, 0u);
}

}  // namespace
}  // namespace qtool::exporters
