#include "qtool/exporters/float_onnx.h"

#include <gmock/gmock.h>

#include "../../support/graph_builder.h"
#include "qtool/onnxio/import.h"
#include "qtool/onnxio/opset_upgrade.h"
#include "qtool/ops/interpreter.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters {
namespace {

using qtool::testing::Attributes;
using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using qtool::testing::random_tensor;

constexpr int64_t kNewest = 23;

struct OldNode {
  std::string op_type;
  int64_t opset;
  Shape shape;
  Attributes attributes;
  std::vector<Tensor> constants = {};
  size_t outputs = 1;
};

void PrintTo(const OldNode& c, std::ostream* out) { *out << c.op_type << " of opset " << c.opset; }

GraphBuilder graph_of(const OldNode& c) {
  GraphBuilder builder(c.opset);
  std::vector<ir::ValueId> inputs = {builder.input("x", c.shape)};
  for (size_t i = 0; i < c.constants.size(); ++i) inputs.push_back(builder.constant(format("c{}", i), c.constants[i]));
  std::vector<std::string> names;
  for (size_t i = 0; i < c.outputs; ++i) names.push_back(format("y{}", i));
  for (const ir::ValueId output : builder.nodes(c.op_type, inputs, names, c.attributes)) builder.output(output);
  return builder;
}

class OpsetUpgrade : public ::testing::TestWithParam<OldNode> {};

TEST_P(OpsetUpgrade, KeepsTheValuesThroughAFile) {
  const OldNode& c = GetParam();
  const ir::Graph before = graph_of(c).build().graph;
  ir::Graph after = before;
  onnxio::upgrade_opset(after, kNewest);
  EXPECT_TRUE(after.verify().empty());
  for (const ir::NodeId id : before.node_ids()) EXPECT_EQ(before.node(id).opset, c.opset) << "the source is not touched";

  const Bytes bytes = write_float_onnx(after, {.tool_version = "1"});
  SilentReporter silent;
  const onnxio::ImportedModel read = onnxio::import_model_bytes(bytes, "m.onnx", {}, silent);
  const std::vector<Tensor> inputs = {random_tensor(c.shape, 3)};
  const auto expected = ops::interpret(before, ops::builtin_registry(), inputs);
  const auto found = ops::interpret(read.graph, ops::builtin_registry(), inputs);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].identical(expected[i])) << "output " << i;
  EXPECT_TRUE(write_float_onnx(after, {.tool_version = "1"}) == bytes) << "the same graph gives the same bytes";
}

Tensor floats(std::initializer_list<float> values) { return Tensor::from<float>({static_cast<int64_t>(values.size())}, values); }

INSTANTIATE_TEST_SUITE_P(
    Changes, OpsetUpgrade,
    ::testing::Values(
        OldNode{"Slice", 9, {2, 5}, {{"starts", Ints{1}}, {"ends", Ints{4}}, {"axes", Ints{1}}}},
        OldNode{"Clip", 10, {4}, {{"min", -0.5f}, {"max", 0.25f}}}, OldNode{"Clip", 7, {4}, {{"max", 0.25f}}},
        OldNode{"Pad", 10, {1, 3}, {{"pads", Ints{0, 1, 0, 2}}, {"value", 2.0f}}},
        OldNode{"TopK", 9, {6}, {{"k", int64_t{2}}, {"axis", int64_t{0}}}, {}, 2},
        OldNode{"Dropout", 10, {4}, {{"ratio", 0.3f}}}, OldNode{"Squeeze", 11, {1, 3, 1}, {{"axes", Ints{0}}}},
        OldNode{"Squeeze", 11, {1, 3, 1}, {}}, OldNode{"Unsqueeze", 11, {3}, {{"axes", Ints{0, 2}}}},
        OldNode{"Split", 12, {6}, {{"split", Ints{2, 4}}}, {}, 2}, OldNode{"Split", 12, {6}, {}, {}, 3},
        OldNode{"ReduceSum", 11, {2, 3}, {{"axes", Ints{1}}, {"keepdims", int64_t{0}}}},
        OldNode{"ReduceMean", 17, {2, 3}, {{"axes", Ints{-1}}}}, OldNode{"ReduceMax", 13, {2, 3}, {}},
        OldNode{"Softmax", 12, {2, 3}, {}}, OldNode{"Softmax", 11, {2, 3, 4}, {}},
        OldNode{"Softmax", 11, {2, 3, 1, 1}, {{"axis", int64_t{1}}}},
        OldNode{"LogSoftmax", 11, {2, 3, 4}, {{"axis", int64_t{-1}}}}, OldNode{"Softmax", 11, {2, 1, 4}, {}},
        OldNode{"Upsample", 7, {1, 1, 2, 3}, {{"scales", std::vector<float>{1, 1, 2, 2}}}},
        OldNode{"Upsample", 9, {1, 1, 2, 3}, {{"mode", std::string("linear")}}, {floats({1, 1, 2, 2})}},
        OldNode{"Resize", 10, {1, 1, 4, 6}, {}, {floats({1, 1, 0.5f, 0.5f})}},
        OldNode{"Resize", 10, {1, 1, 4, 6}, {}, {floats({1, 1, 1.5f, 2})}},
        OldNode{"Resize", 11, {1, 1, 4, 6},
                {{"coordinate_transformation_mode", std::string("tf_half_pixel_for_nn")}, {"nearest_mode", std::string("floor")}},
                {floats({}), floats({1, 1, 0.75f, 1.5f})}},
        OldNode{"GroupNormalization", 18, {1, 4, 3}, {{"num_groups", int64_t{2}}}, {floats({1, 2}), floats({0, 3})}},
        OldNode{"Scatter", 9, {4}, {}, {Tensor::from<int64_t>({2}, {1, 3}), floats({7, 8})}},
        OldNode{"BatchNormalization", 7, {1, 2, 3}, {{"spatial", int64_t{1}}}, {floats({1, 2}), floats({0, 1}), floats({2, 1}), floats({1, 4})}},
        OldNode{"RoiAlign", 10, {1, 1, 6, 6}, {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}},
                {Tensor::from<float>({1, 4}, {0, 0, 4, 5}), Tensor::from<int64_t>({1}, {0})}},
        OldNode{"GridSample", 16, {1, 1, 3, 3}, {{"mode", std::string("bicubic")}}, {Tensor::from<float>({1, 1, 2, 2}, {-0.5f, 0.2f, 0.9f, 0.1f})}}));

TEST(FloatOnnx, SettlesMixedVersionsOnTheNewest) {
  GraphBuilder builder(12);
  const auto x = builder.input("x", {1, 4, 4});
  const auto mean = builder.node("ReduceMean", {x}, "mean", {{"axes", Ints{2}}});
  ir::Graph& graph = builder.graph();
  const auto y = graph.add_value("y");
  graph.add_node({.name = "gelu", .op_type = "Gelu", .opset = 20, .inputs = {mean}, .outputs = {y}});
  builder.output(y);
  SilentReporter silent;
  const auto read = onnxio::import_model_bytes(write_float_onnx(builder.build().graph, {}), "m.onnx", {}, silent);
  EXPECT_EQ(read.opsets.at(""), 20);
  EXPECT_GE(read.ir_version, 9);
  const ir::Node& reduce = read.graph.node(read.graph.topological_order()[0]);
  EXPECT_FALSE(reduce.has_attribute("axes"));
  EXPECT_EQ(read.graph.constant(reduce.inputs.at(1))->to_int64(), Ints{2});
}

TEST(FloatOnnx, NamesTheNodeThatCannotBeUpgraded) {
  GraphBuilder builder(10);
  const auto x = builder.input("x", {1, 1, 4, 4});
  builder.output(builder.node("Resize", {x, builder.constant("scales", floats({1, 1, 2, 0.5f}))}, "y"));
  ir::Graph graph = builder.build().graph;
  try {
    onnxio::upgrade_opset(graph, 13);
    FAIL() << "upgraded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("y.node"), ::testing::HasSubstr("shrinks another")));
  }
}

}  // namespace
}  // namespace qtool::exporters
