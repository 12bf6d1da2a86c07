#include "qtool/passes/read_quantized.h"

#include <gmock/gmock.h>

#include "pass_fixture.h"
#include "qtool/passes/cleanup.h"
#include "qtool/support/error.h"

namespace qtool::passes {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Model : public GraphBuilder {
 public:
  Model() : GraphBuilder(21) {}

  template <class Z>
  std::vector<ir::ValueId> grid(const std::string& name, float scale, Z zero_point) {
    return {constant(name + "_scale", Tensor::scalar(scale)), constant(name + "_zero", Tensor::scalar(zero_point))};
  }
  ir::ValueId quantize(ir::ValueId x, const std::vector<ir::ValueId>& grid, const std::string& output) {
    return node("QuantizeLinear", {x, grid[0], grid[1]}, output);
  }
  ir::ValueId dequantize(ir::ValueId q, const std::vector<ir::ValueId>& grid, const std::string& output, Attributes attributes = {}) {
    return node("DequantizeLinear", {q, grid[0], grid[1]}, output, std::move(attributes));
  }
  ir::ValueId pair(ir::ValueId x, const std::vector<ir::ValueId>& grid, const std::string& output) {
    return dequantize(quantize(x, grid, output + "_codes"), grid, output);
  }
};

struct Read {
  model::ModelState state;
  AbsorbedQuantization absorbed;
};

Read read(Model& model) {
  Read result{model.build(), {}};
  const ir::Graph before = result.state.graph;
  expand_integer_operators(result.state.graph);
  ops::infer_shapes(result.state.graph, ops::builtin_registry());
  result.absorbed = absorb_quantization(result.state);
  expect_sound(before, result.state.graph);
  return result;
}

const quant::Encoding* encoding(const Read& read, const std::string& name) {
  const ir::ValueId id = read.state.graph.find_value(name);
  return id == ir::kNoValue ? nullptr : model::find_encoding(read.state.encodings, id);
}

TEST(ReadQuantized, PairsBecomeEncodingsOfTheTensorInFront) {
  Model model;
  const auto x = model.pair(model.input("x", {1, 4}), model.grid<uint8_t>("x", 0.5f, 3), "x_dq");
  model.output(model.pair(model.node("Relu", {x}, "y_QuantizeLinear_Input"), model.grid<uint8_t>("y", 0.25f, 0), "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("Relu"));
  ASSERT_NE(encoding(result, "x"), nullptr);
  EXPECT_EQ(encoding(result, "x")->grids[0].offset, -3);
  EXPECT_EQ(encoding(result, "x")->grids[0].scale, 0.5);
  ASSERT_NE(encoding(result, "y"), nullptr) << "a graph output keeps the name of the file";
  EXPECT_EQ(result.absorbed.activations, 2u);
  EXPECT_THAT(result.absorbed.left, IsEmpty());
}

TEST(ReadQuantized, WeightsBecomeFloatConstantsOnTheirGrid) {
  Model model;
  const auto codes = model.constant("w_quantized", Tensor::from<int8_t>({2, 2}, {-3, 4, 5, -128}));
  const auto scale = model.constant("s", Tensor::from<float>({2}, {0.5f, 2.0f}));
  const auto zero = model.constant("z", Tensor::from<int8_t>({2}, {0, 0}));
  const auto w = model.dequantize(codes, {scale, zero}, "w_DequantizeLinear_Output", {{"axis", int64_t{-2}}});
  model.output(model.node("MatMul", {model.input("x", {1, 2}), w}, "y"));
  const Read result = read(model);
  const ir::ValueId id = result.state.graph.find_value("w");
  ASSERT_NE(id, ir::kNoValue) << "the quantizer's suffix is taken off";
  EXPECT_THAT(result.state.graph.constant(id)->to_float(), ElementsAre(-1.5f, 2.0f, 10.0f, -256.0f));
  const quant::Encoding& grid = result.state.encodings.at(id).encoding;
  EXPECT_EQ(grid.channel_axis, 0);
  EXPECT_TRUE(grid.is_symmetric);
  EXPECT_EQ(grid.grids.size(), 2u);
  EXPECT_TRUE(result.state.encodings.at(id).frozen);
}

TEST(ReadQuantized, EqualConstantsKeepEncodingsOfTheirOwnThroughTheCleanUp) {
  Model model;
  const auto x = model.input("x", {1, 4});
  const auto parts = [&](const std::string& name) {
    const auto codes = model.constant(name + "_codes", Tensor::from<uint8_t>({1, 4}, {1, 2, 3, 4}));
    return model.dequantize(codes, model.grid<uint8_t>(name, 0.5f, 0), name + "_DequantizeLinear_Output");
  };
  model.output(model.node("Concat", {model.node("Mul", {x, parts("left")}, "a"), model.node("Add", {x, parts("right")}, "b")}, "y", {{"axis", int64_t{1}}}));
  Read result{model.build(), {}};
  ops::infer_shapes(result.state.graph, ops::builtin_registry());
  SilentReporter reporter;
  (void)run_cleanup(result.state, {}, reporter);
  result.absorbed = absorb_quantization(result.state);
  EXPECT_NE(encoding(result, "left"), nullptr);
  EXPECT_NE(encoding(result, "right"), nullptr);
}

TEST(ReadQuantized, AFloatWeightBehindAPairIsAParameterToo) {
  Model model;
  const auto w = model.pair(model.random("w", {2, 2}), model.grid<int8_t>("w", 0.1f, 0), "w_qdq");
  model.output(model.node("MatMul", {model.input("x", {1, 2}), w}, "y"));
  const Read result = read(model);
  EXPECT_NE(encoding(result, "w"), nullptr);
  EXPECT_EQ(result.absorbed.constants, 1u);
}

TEST(ReadQuantized, AValueReadOnAndOffTheGridKeepsBothReadings) {
  Model model;
  const auto x = model.input("x", {1, 4});
  const auto on = model.pair(x, model.grid<uint8_t>("x", 0.5f, 3), "x_dq");
  model.output(model.node("Add", {x, on}, "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("Identity", "Add"));
  EXPECT_EQ(encoding(result, "x"), nullptr);
  EXPECT_NE(encoding(result, "x_on_grid"), nullptr);
}

TEST(ReadQuantized, ASecondGridBehindTheFirstIsAConversion) {
  Model model;
  const auto narrow = model.pair(model.input("x", {1, 4}), model.grid<uint8_t>("a", 0.5f, 3), "x8");
  const auto wide = model.pair(narrow, model.grid<uint16_t>("b", 0.001f, 3), "x16");
  const auto same = model.pair(wide, model.grid<uint16_t>("c", 0.001f, 3), "x16_again");
  model.output(model.node("Neg", {same}, "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("Identity", "Neg")) << "the same grid twice is one grid";
  EXPECT_EQ(encoding(result, "x")->bits, 8);
  EXPECT_EQ(encoding(result, "x_on_grid")->bits, 16);
}

TEST(ReadQuantized, NodesWithoutAConstantGridStay) {
  Model model;
  const auto scale = model.input("scale", {});
  const auto zero = model.constant("z", Tensor::scalar<uint8_t>(3));
  model.output(model.pair(model.input("x", {1, 4}), {scale, zero}, "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("QuantizeLinear", "DequantizeLinear"));
  ASSERT_EQ(result.absorbed.left.size(), 2u);
  EXPECT_THAT(result.absorbed.left[0], HasSubstr("the scale is not a constant"));
}

TEST(ReadQuantized, IntegerInputsAndOutputsStayIntegers) {
  Model model;
  const auto grid = model.grid<uint8_t>("g", 0.5f, 3);
  const auto x = model.dequantize(model.input("x", {1, 4}, DType::kUInt8), grid, "real");
  model.output(model.quantize(model.node("Relu", {x}, "r"), model.grid<uint8_t>("h", 0.25f, 0), "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("DequantizeLinear", "Relu", "QuantizeLinear"));
  EXPECT_NE(encoding(result, "real"), nullptr);
  EXPECT_NE(encoding(result, "r"), nullptr);
}

TEST(ReadQuantized, BlocksAreFoldedIntoFloatWeights) {
  Model model;
  const auto scale = model.constant("s", Tensor::from<float>({2, 1}, {0.5f, 2.0f}));
  const auto codes = model.constant("c", Tensor::from<int8_t>({2, 2}, {1, 2, 3, 4}));
  const auto w = model.node("DequantizeLinear", {codes, scale}, "w", {{"axis", int64_t{1}}, {"block_size", int64_t{2}}});
  model.output(model.node("MatMul", {model.input("x", {1, 2}), w}, "y"));
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("MatMul"));
  EXPECT_EQ(encoding(result, "w"), nullptr);
  EXPECT_THAT(result.absorbed.left, ElementsAre(HasSubstr("by block")));
}

TEST(ReadQuantized, RefusesScalesThatAreNoPositiveNumbers) {
  Model model;
  model.output(model.pair(model.input("x", {1, 4}), model.grid<uint8_t>("a", 0.0f, 3), "y"));
  model::ModelState state = model.build();
  EXPECT_THROW(absorb_quantization(state), Error);
}

// ---- operators on integers -------------------------------------------------------------------------------------

TEST(ReadQuantized, IntegerConvolutionsAndMovementsBecomeFloatOperators) {
  Model model;
  const auto in = model.grid<uint8_t>("in", 0.5f, 3), out = model.grid<uint8_t>("out", 2.0f, 7);
  const auto ws = model.constant("ws", Tensor::from<float>({2}, {0.5f, 0.25f}));
  const auto wz = model.constant("wz", Tensor::from<int8_t>({2}, {0, 0}));
  const auto w = model.constant("w", Tensor::from<int8_t>({2, 1, 1, 1}, {3, -4}));
  const auto b = model.constant("b", Tensor::from<int32_t>({2}, {10, -6}));
  const auto q = model.quantize(model.input("x", {1, 1, 4, 4}), in, "xq");
  const auto pooled = model.node("MaxPool", {q}, "pooled", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  const auto conv = model.node("QLinearConv", {pooled, in[0], in[1], w, ws, wz, out[0], out[1], b}, "conv");
  const auto flat = model.node("Flatten", {conv}, "flat");
  model.output(model.dequantize(flat, out, "y"));
  const ir::Graph before = model.build().graph;
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("MaxPool", "Conv", "Flatten"));
  EXPECT_EQ(result.absorbed.activations, 4u);
  EXPECT_EQ(result.absorbed.constants, 2u);
  const ir::Node& node = result.state.graph.node(result.state.graph.topological_order()[1]);
  EXPECT_THAT(result.state.graph.constant(node.inputs[2])->to_float(), ElementsAre(2.5f, -0.75f));
  EXPECT_EQ(encoding(result, "y")->grids[0].scale, 2.0);
}

TEST(ReadQuantized, ContribOperatorsBecomeFloatOperators) {
  Model model;
  const auto a = model.grid<uint8_t>("a", 0.5f, 3), b = model.grid<uint8_t>("b", 0.25f, 1), c = model.grid<uint8_t>("c", 2.0f, 7);
  const auto q = model.quantize(model.input("x", {1, 4}), a, "xq");
  ir::Graph& graph = model.graph();
  const auto contrib = [&](const std::string& op, std::vector<ir::ValueId> inputs, const std::string& output) {
    const auto id = graph.add_value(output);
    graph.add_node({.name = output, .op_type = op, .domain = "com.microsoft", .opset = 1, .inputs = std::move(inputs), .outputs = {id}});
    return id;
  };
  const auto s = contrib("QLinearSigmoid", {q, a[0], a[1], b[0], b[1]}, "s");
  const auto m = contrib("QLinearMul", {s, b[0], b[1], q, a[0], a[1], c[0], c[1]}, "m");
  const auto k = contrib("QLinearConcat", {c[0], c[1], m, c[0], c[1], q, a[0], a[1]}, "k");
  graph.node(graph.producer(k)).attributes["axis"] = int64_t{1};
  model.output(contrib("DequantizeLinear", {k, c[0], c[1]}, "y"));
  expand_integer_operators(graph);
  const Read result = read(model);
  EXPECT_THAT(op_types(result.state.graph), ElementsAre("Sigmoid", "Mul", "Concat"));
  EXPECT_EQ(result.absorbed.activations, 4u);
}

}  // namespace
}  // namespace qtool::passes
