#include "qtool/onnxio/export.h"

#include <gmock/gmock.h>

#include "model_files.h"
#include "qtool/ir/subgraph.h"

namespace qtool::onnxio {
namespace {

ImportedModel import_bytes(const Bytes& bytes) {
  const TemporaryFolder folder;
  SilentReporter silent;
  return import_model(folder.write("m.onnx", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())), {}, silent);
}

onnx::ModelProto parse_bytes(const Bytes& bytes) {
  onnx::ModelProto proto;
  EXPECT_TRUE(proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return proto;
}

onnx::ModelProto sample() {
  return model_of_graph(
      info("input", "x", fixed({1, 2})) + "initializer { name: 'w' data_type: 1 dims: 2 float_data: [1, 2] } "
      "initializer { name: 'h' data_type: 10 dims: 1 int32_data: 15360 } initializer { name: 'i' data_type: 7 int64_data: 9 } " +
      node("Add", "name: 'add' input: ['x', 'w'] output: 'a'") +
      node("Foo", "name: 'foo' input: ['a', '', 'h', 'i'] output: ['', 'y'] attribute { name: 'n' type: INT i: 4 }"
                  "attribute { name: 't' type: TENSOR t { data_type: 1 dims: 1 float_data: 2 } } attribute { name: 's' type: STRINGS strings: 'q' }") +
      info("output", "y", fixed({1, 2})));
}

TEST(Export, ImportExportImportIsTheSame) {
  const ImportedModel first = import_proto(sample());
  const Bytes bytes = export_model(first.graph);
  const ImportedModel second = import_bytes(bytes);
  EXPECT_EQ(first.graph.to_text(), second.graph.to_text());
  for (const ir::ValueId id : first.graph.value_ids()) {
    const Tensor* constant = first.graph.constant(id);
    if (constant == nullptr) continue;
    const Tensor* other = second.graph.constant(second.graph.find_value(first.graph.value(id).name));
    ASSERT_NE(other, nullptr);
    EXPECT_TRUE(constant->identical(*other));
  }
  const ir::Node& foo = second.graph.node(second.graph.topological_order()[1]);
  EXPECT_EQ(foo.attr_int("n", 0), 4);
  EXPECT_EQ(foo.attr_tensor("t")->to_float()[0], 2);
  EXPECT_EQ(foo.inputs[1], ir::kNoValue);
  EXPECT_EQ(foo.outputs[0], ir::kNoValue);
  EXPECT_EQ(export_model(second.graph), bytes) << "the same graph gives the same bytes";
}

TEST(Export, FourBitTensorsArePackedAndRaiseTheVersions) {
  ir::Graph graph;
  const auto x = graph.add_value("x", TensorType{DType::kFloat32, Shape{3}});
  Tensor weights(DType::kInt4, Shape{3});
  weights.mutable_data<int8_t>()[0] = 1;
  weights.mutable_data<int8_t>()[1] = -1;
  weights.mutable_data<int8_t>()[2] = -8;
  const auto w = graph.add_constant("w", weights);
  const auto y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.op_type = "Foo", .opset = 13, .inputs = {x, w}, .outputs = {y}});
  const Bytes bytes = export_model(graph);
  const onnx::ModelProto proto = parse_bytes(bytes);
  EXPECT_EQ(proto.graph().initializer(0).raw_data(), "\xF1\x08");
  EXPECT_EQ(proto.ir_version(), 10);
  EXPECT_EQ(proto.opset_import(0).version(), 21);
  const ImportedModel back = import_bytes(bytes);
  EXPECT_TRUE(back.graph.constant(back.graph.find_value("w"))->identical(weights));
}

TEST(Export, OperatorSetsComeFromTheNodes) {
  ir::Graph graph;
  const auto x = graph.add_value("x", TensorType{DType::kFloat32, Shape{}});
  const auto a = graph.add_value("a"), y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.op_type = "Relu", .opset = 14, .inputs = {x}, .outputs = {a}});
  graph.add_node({.op_type = "Gelu", .domain = "com.microsoft", .opset = 1, .inputs = {a}, .outputs = {y}});
  const onnx::ModelProto proto = parse_bytes(export_model(graph, {.metadata = {{"k", "v"}}}));
  ASSERT_EQ(proto.opset_import_size(), 2);
  EXPECT_EQ(proto.opset_import(0).version(), 14);
  EXPECT_EQ(proto.opset_import(1).domain(), "com.microsoft");
  EXPECT_EQ(proto.producer_name(), "qtool");
  EXPECT_EQ(proto.metadata_props(0).value(), "v");
  EXPECT_EQ(parse_bytes(export_model(graph, {.opsets = {{"", 17}}})).opset_import(0).version(), 17);
}

TEST(Export, SubgraphsFollowRenamedCaptures) {
  const std::string branch = "type: GRAPH g { name: 'b' node { op_type: 'Neg' input: 'x' output: 'r' } output { name: 'r' } } ";
  ImportedModel model = import_proto(model_of_graph(
      info("input", "x", fixed({1})) + info("input", "c", "", 9) +
      node("If", "input: 'c' output: 'y' attribute { name: 'then_branch' " + branch + "} attribute { name: 'else_branch' " + branch + "}") +
      info("output", "y", "")));
  model.graph.rename_value(model.graph.find_value("x"), "image");
  const onnx::ModelProto proto = parse_bytes(export_model(model.graph));
  const auto& conditional = proto.graph().node(0);
  EXPECT_EQ(conditional.input_size(), 1);
  EXPECT_EQ(conditional.attribute(0).g().node(0).input(0), "image");
  EXPECT_EQ(conditional.attribute_size(), 2) << "the record of captures is not written";
  (void)import_bytes(export_model(model.graph));
}

}  // namespace
}  // namespace qtool::onnxio
