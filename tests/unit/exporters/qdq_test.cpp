#include "qtool/exporters/qdq_exporter.h"

#include <gmock/gmock.h>

#include "../../support/graph_builder.h"
#include "qtool/onnxio/export.h"
#include "qtool/onnxio/import.h"
#include "qtool/ops/interpreter.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"

namespace qtool::exporters {
namespace {

using qtool::testing::GraphBuilder;
using qtool::testing::random_tensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

quant::Encoding unsigned_grid(double scale, int64_t offset, int bits = 8) { return {.bits = bits, .grids = {{scale, offset}}}; }
quant::Encoding signed_grid(std::vector<double> scales, int bits = 8, int axis = -1) {
  quant::Encoding encoding{.bits = bits, .is_symmetric = true, .channel_axis = axis};
  for (const double scale : scales) encoding.grids.push_back({scale, -(int64_t{1} << (bits - 1))});
  return encoding;
}

// x -> Conv(w, b) -> c -> Relu -> r -> Reshape -> y, with c inside a fused group.
struct Fixture {
  GraphBuilder builder{13};
  model::ModelState state;

  Fixture() {
    const auto x = builder.input("x", {1, 2, 3, 3});
    const auto c = builder.node("Conv", {x, builder.random("w", {2, 2, 3, 3}), builder.random("b", {2})}, "c",
                                {{"pads", testing::Ints{1, 1, 1, 1}}});
    const auto r = builder.node("Relu", {c}, "r");
    builder.output(builder.node("Reshape", {r, builder.constant("dims", testing::ints({1, 18}))}, "y"));
    state = builder.build();
    set("x", unsigned_grid(1.0 / 64, -128));
    set("w", signed_grid({1.0 / 64, 1.0 / 32}, 8, 0));
    set("b", quant::bias_encoding(1.0 / 64, at("w")));
    set("r", unsigned_grid(0.125, 0));
    set("y", unsigned_grid(0.125, 0));
  }
  void set(const std::string& name, quant::Encoding encoding) { state.encodings[state.graph.find_value(name)] = {.encoding = std::move(encoding)}; }
  const quant::Encoding& at(const std::string& name) { return state.encodings.at(state.graph.find_value(name)).encoding; }
};

const ir::Node& producer(const ir::Graph& graph, const std::string& name) { return graph.node(graph.producer(graph.find_value(name))); }
const Tensor& constant(const ir::Graph& graph, const std::string& name) { return *graph.constant(graph.find_value(name)); }

TEST(Qdq, PairsStandBehindActivationsAndIntegersBehindWeights) {
  Fixture fixture;
  QdqExportReport report;
  const ir::Graph graph = build_qdq(fixture.state, &report);
  EXPECT_TRUE(graph.verify().empty());
  EXPECT_EQ(report.quantized_activations, 3u);
  EXPECT_EQ(report.stored_constants, 2u);
  EXPECT_EQ(constant(graph, "w_quantized").dtype(), DType::kInt8);
  EXPECT_EQ(producer(graph, "w").op_type, "DequantizeLinear");
  EXPECT_EQ(producer(graph, "w").attr_int("axis", -9), 0);
  EXPECT_EQ(constant(graph, "w_scale").shape(), Shape{2});
  EXPECT_EQ(constant(graph, "b_quantized").dtype(), DType::kInt32);
  EXPECT_EQ(producer(graph, "b").inputs.at(2), ir::kNoValue) << "32-bit integers have no zero point";
  EXPECT_EQ(constant(graph, "x_zero_point").data<uint8_t>()[0], 128);
  const ir::Node& conv = producer(graph, "c");
  EXPECT_EQ(graph.value(conv.inputs[0]).name, "x_DequantizeLinear_Output");
}

TEST(Qdq, NothingStandsInsideAFusedGroup) {
  Fixture fixture;
  const ir::Graph graph = build_qdq(fixture.state);
  EXPECT_EQ(graph.value(producer(graph, "r").inputs[0]).name, "c");
  EXPECT_EQ(producer(graph, "r_QuantizeLinear_Output").op_type, "QuantizeLinear");
}

TEST(Qdq, InputsAndOutputsKeepTheirNames) {
  Fixture fixture;
  const ir::Graph graph = build_qdq(fixture.state);
  EXPECT_EQ(graph.value(graph.inputs.at(0)).name, "x");
  EXPECT_EQ(graph.value(graph.outputs.at(0)).name, "y");
  EXPECT_EQ(producer(graph, "y").op_type, "DequantizeLinear");
  EXPECT_EQ(producer(graph, "y_QuantizeLinear_Input").op_type, "Reshape");
}

TEST(Qdq, TensorsWithALeaderShareItsParameters) {
  Fixture fixture;
  const auto r = fixture.state.graph.find_value("r"), y = fixture.state.graph.find_value("y");
  fixture.state.plan.tensors[r] = {.leader = r};
  fixture.state.plan.tensors[y] = {.leader = r};
  const ir::Graph graph = build_qdq(fixture.state);
  EXPECT_EQ(producer(graph, "y").inputs[1], graph.find_value("r_scale"));
  fixture.set("y", unsigned_grid(0.25, 0));
  const ir::Graph other = build_qdq(fixture.state);
  EXPECT_EQ(producer(other, "y").inputs[1], other.find_value("y_scale")) << "not where the grids differ";
}

TEST(Qdq, FloatIslandsStayWithoutNodes) {
  Fixture fixture;
  fixture.state.encodings.erase(fixture.state.graph.find_value("r"));
  fixture.state.encodings.erase(fixture.state.graph.find_value("y"));
  const ir::Graph graph = build_qdq(fixture.state);
  EXPECT_EQ(graph.find_value("r_QuantizeLinear_Output"), ir::kNoValue);
  EXPECT_EQ(producer(graph, "y").op_type, "Reshape");
}

TEST(Qdq, ComputesWhatTheGridsMean) {
  Fixture fixture;
  const Tensor x = random_tensor({1, 2, 3, 3}, 5);
  const ir::Graph graph = build_qdq(fixture.state);
  const auto found = ops::interpret(graph, ops::builtin_registry(), std::vector<Tensor>{x});

  ir::Graph plain = fixture.state.graph;
  for (const char* name : {"w", "b"}) {
    ir::Value& value = plain.value(plain.find_value(name));
    value.constant = quant::fake_quantize(*value.constant, fixture.at(name));
  }
  const auto real = ops::interpret(plain, ops::builtin_registry(), std::vector<Tensor>{quant::fake_quantize(x, fixture.at("x"))});
  EXPECT_TRUE(found[0].identical(quant::fake_quantize(real[0], fixture.at("y"))));
}

TEST(Qdq, OpsetFollowsTheWidths) {
  Fixture fixture;
  const auto opset = [&] {
    SilentReporter silent;
    return onnxio::import_model_bytes(onnxio::export_model(build_qdq(fixture.state)), "m.onnx", {}, silent).opsets.at("");
  };
  EXPECT_EQ(opset(), 13);
  fixture.set("w", signed_grid({1.0 / 4, 1.0 / 2}, 4, 0));
  EXPECT_EQ(opset(), 21);
  fixture.set("w", signed_grid({1.0 / 64, 1.0 / 32}, 8, 0));
  fixture.set("r", unsigned_grid(0.001, 0, 16));
  EXPECT_EQ(opset(), 21);
}

TEST(Qdq, EightBitBiasesBecomeInt32) {
  Fixture fixture;
  fixture.set("w", unsigned_grid(1.0 / 64, -128));
  fixture.set("b", unsigned_grid(1.0 / 50, -120));
  QdqExportReport report;
  const ir::Graph graph = build_qdq(fixture.state, &report);
  EXPECT_EQ(report.widened_biases, 1u);
  const Tensor narrow = quant::fake_quantize(constant(fixture.state.graph, "b"), fixture.at("b"));
  const float scale = constant(graph, "b_scale").data<float>()[0];
  EXPECT_FLOAT_EQ(scale, 1.0f / 4096);
  for (size_t i = 0; i < 2; ++i) {
    const auto level = static_cast<float>(constant(graph, "b_quantized").data<int32_t>()[i]);
    EXPECT_NEAR(level * scale, narrow.data<float>()[i], scale / 2);
  }
}

TEST(Qdq, AGridNarrowerThanItsTypeIsClipped) {
  Fixture fixture;
  fixture.set("r", unsigned_grid(0.125, 0, 6));
  QdqExportReport report;
  const ir::Graph graph = build_qdq(fixture.state, &report);
  EXPECT_EQ(graph.value(producer(graph, "r_QuantizeLinear_Output").inputs[0]).name, "r_Clip_Output");
  EXPECT_EQ(constant(graph, "r_highest").data<float>()[0], 63 * 0.125f);
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("64 levels")));
}

TEST(Qdq, NamesTheTensorWhoseGridOnnxCannotSay) {
  Fixture fixture;
  fixture.set("r", unsigned_grid(0.125, -3, 32));
  try {
    (void)build_qdq(fixture.state);
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("tensor: r"));
  }
}

TEST(Qdq, TheSameStateGivesTheSameBytes) {
  Fixture fixture;
  EXPECT_TRUE(onnxio::export_model(build_qdq(fixture.state)) == onnxio::export_model(build_qdq(fixture.state)));
}

}  // namespace
}  // namespace qtool::exporters
