#include "qtool/onnxio/import.h"

#include <gmock/gmock.h>

#include "model_files.h"
#include "qtool/ir/subgraph.h"
#include "qtool/onnxio/quantized_kind.h"

namespace qtool::onnxio {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kRelu = node("Relu", "input: 'x' output: 'y'");
const std::string kY = info("output", "y", "");

TEST(Import, ReadsNodesInputsAndMetadata) {
  onnx::ModelProto proto = model_of_graph(info("input", "x", fixed({1, 3})) + kRelu + kY);
  proto.set_producer_name("maker");
  auto* entry = proto.add_metadata_props();
  entry->set_key("names");
  entry->set_value("cat");
  const ImportedModel model = import_proto(proto);
  EXPECT_EQ(model.ir_version, 8);
  EXPECT_EQ(model.opsets.at(""), 17);
  EXPECT_EQ(model.producer_name, "maker");
  EXPECT_EQ(model.metadata.at("names"), "cat");
  const ir::Graph& graph = model.graph;
  ASSERT_EQ(graph.node_ids().size(), 1u);
  const ir::Node& relu = graph.node(graph.node_ids()[0]);
  EXPECT_EQ(relu.name, "Relu_y") << "unnamed nodes are named after operator and output";
  EXPECT_EQ(relu.opset, 17);
  EXPECT_EQ(graph.type_of(graph.inputs[0]), (TensorType{DType::kFloat32, Shape{1, 3}}));
}

TEST(Import, NodesNeedNotBeInOrder) {
  const auto model = import_proto(model_of_graph(info("input", "x", fixed({1})) + node("Neg", "input: 'a' output: 'y'") +
                                                 node("Relu", "input: 'x' output: 'a'") + kY));
  EXPECT_EQ(model.graph.node(model.graph.topological_order()[0]).op_type, "Relu");
}

TEST(Import, InitializersListedAsInputsAreConstants) {
  const auto model = import_proto(
      model_of_graph(info("input", "x", fixed({2})) + info("input", "w", fixed({2})) +
                     "initializer { name: 'w' data_type: 1 dims: 2 float_data: [1, 2] } " +
                     node("Add", "input: ['x', 'w'] output: 'y'") + kY));
  EXPECT_EQ(model.graph.inputs.size(), 1u);
  EXPECT_THAT(model.graph.constant(model.graph.find_value("w"))->to_float(), ElementsAre(1, 2));
}

TEST(Import, ConstantNodesBecomeConstants) {
  const auto model = import_proto(model_of_graph(
      info("input", "x", fixed({2})) +
      node("Constant", "output: 'c' attribute { name: 'value_ints' type: INTS ints: [3, 4] }") +
      node("Constant", "output: 'd' attribute { name: 'value_float' type: FLOAT f: 0.5 }") +
      node("Constant", "output: 'e' attribute { name: 'value' type: TENSOR t { data_type: 1 dims: 1 float_data: 7 } }") +
      node("Foo", "input: ['x', 'c', 'd', 'e'] output: 'y'") + kY));
  const ir::Graph& graph = model.graph;
  EXPECT_EQ(graph.node_ids().size(), 1u);
  EXPECT_THAT(graph.constant(graph.find_value("c"))->to_int64(), ElementsAre(3, 4));
  EXPECT_EQ(graph.constant(graph.find_value("d"))->shape().rank(), 0u);
  EXPECT_THAT(graph.constant(graph.find_value("e"))->to_float(), ElementsAre(7));
}

TEST(Import, AttributeKindsAreKept) {
  const auto model = import_proto(model_of_graph(
      info("input", "x", fixed({2})) +
      node("Foo", "input: 'x' output: 'y' attribute { name: 'i' type: INT i: 3 } attribute { name: 'f' type: FLOAT f: 2 }"
                  "attribute { name: 's' type: STRING s: 'SAME' } attribute { name: 'is' type: INTS ints: [1, 2] }"
                  "attribute { name: 'untyped' floats: [1.5] } attribute { name: 'ss' type: STRINGS strings: ['a', 'b'] }") + kY));
  const ir::Node& foo = model.graph.node(model.graph.node_ids()[0]);
  EXPECT_EQ(foo.attr_int("i", 0), 3);
  EXPECT_EQ(foo.attr_float("f", 0), 2);
  EXPECT_EQ(foo.attr_string("s", ""), "SAME");
  EXPECT_THAT(foo.attr_ints("is"), ElementsAre(1, 2));
  EXPECT_THAT(foo.attr_floats("untyped"), ElementsAre(1.5));
}

// --- input shapes ---

const std::string kDynamicBatch = "dim { dim_param: 'N' } " + fixed({3, 4});

TEST(ImportShapes, DynamicBatchBecomesOneAndIsSaid) {
  RecordingReporter reporter;
  const auto model = import_proto(model_of_graph(info("input", "x", kDynamicBatch) + kRelu + kY), {}, &reporter);
  EXPECT_EQ(model.graph.type_of(model.graph.inputs[0]).shape, (Shape{1, 3, 4}));
  ASSERT_EQ(reporter.entries.size(), 1u);
  EXPECT_THAT(reporter.entries[0].message, HasSubstr("'x' [N, 3, 4]"));
}

TEST(ImportShapes, OtherDynamicDimensionsAreAUsageError) {
  const Error error = import_error(model_of_graph(info("input", "x", fixed({1, 3}) + "dim { dim_param: 'h' } dim { }") + kRelu + kY));
  EXPECT_EQ(error.code(), ErrorCode::kUsage);
  EXPECT_THAT(error.what(), HasSubstr("[1, 3, h, ?]"));
  EXPECT_THAT(error.what(), HasSubstr("--input-shape x:1,3,<h>,N"));
}

TEST(ImportShapes, GivenShapeSettlesThem) {
  ImportOptions options;
  options.input_shapes[""] = {2, 3, 8};
  const auto model = import_proto(model_of_graph(info("input", "x", "dim { } dim { } dim { dim_value: -1 }") + kRelu + kY), options);
  EXPECT_EQ(model.graph.type_of(model.graph.inputs[0]).shape, (Shape{2, 3, 8}));
}

TEST(ImportShapes, SymbolsHoldForAllInputs) {
  ImportOptions options;
  options.input_shapes["a"] = {5};
  const auto model = import_proto(model_of_graph(info("input", "a", "dim { dim_param: 'n' }") + info("input", "b", "dim { dim_value: 1} dim { dim_param: 'n' }") +
                                                 node("Add", "input: ['a', 'b'] output: 'y'") + kY), options);
  EXPECT_EQ(model.graph.type_of(model.graph.inputs[1]).shape, (Shape{1, 5}));
}

TEST(ImportShapes, ContradictionsAreUsageErrors) {
  const auto proto = model_of_graph(info("input", "image", fixed({1, 3})) + node("Relu", "input: 'image' output: 'y'") + kY);
  const auto error_for = [&](const std::string& name, std::vector<int64_t> dims) {
    ImportOptions options;
    options.input_shapes[name] = std::move(dims);
    const Error error = import_error(proto, options);
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what());
  };
  EXPECT_THAT(error_for("image", {1, 4}), HasSubstr("contradicts the declared shape [1, 3]"));
  EXPECT_THAT(error_for("image", {1, 3, 1}), HasSubstr("has 3 dimensions"));
  EXPECT_THAT(error_for("imag", {1, 3}), HasSubstr("did you mean 'image'"));
}

TEST(ImportShapes, ParsesTheCommandLineForm) {
  EXPECT_EQ(parse_input_shape("x:1,3,640,640"), (std::pair<std::string, std::vector<int64_t>>{"x", {1, 3, 640, 640}}));
  EXPECT_EQ(parse_input_shape("1,3"), (std::pair<std::string, std::vector<int64_t>>{"", {1, 3}}));
  EXPECT_EQ(parse_input_shape("serving:0:2x3").first, "serving:0");
  for (const char* wrong : {"", "x:", "x:1,", "x:a", "x:0,1", "x:-1", "1,,2", "99999999999999999999"}) {
    EXPECT_THROW((void)parse_input_shape(wrong), Error) << wrong;
  }
}

// --- models that contradict themselves ---

TEST(ImportErrors, NameWhatIsWrong) {
  const std::string x = info("input", "x", fixed({1}));
  const auto message = [](const std::string& graph) {
    const Error error = import_error(model_of_graph(graph));
    EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
    EXPECT_THAT(error.what(), HasSubstr("m.onnx"));
    return std::string(error.what());
  };
  EXPECT_THAT(message(x + node("Relu", "input: 'z' output: 'y' name: 'r'") + kY), HasSubstr("node: r"));
  EXPECT_THAT(message(x + kRelu + node("Neg", "input: 'x' output: 'y'") + kY), HasSubstr("tensor: y"));
  EXPECT_THAT(message(x + kRelu + info("output", "nothing", "")), HasSubstr("tensor: nothing"));
  EXPECT_THAT(message(x + kRelu), HasSubstr("no outputs"));
  EXPECT_THAT(message(x + kY), HasSubstr("no nodes"));
  EXPECT_THAT(message(x + node("Relu", "input: 'x'") + kY), HasSubstr("no output"));
  EXPECT_THAT(message(x + node("", "input: 'x' output: 'y'") + kY), HasSubstr("no operator type"));
  EXPECT_THAT(message(x + node("Add", "input: ['x', 'b'] output: 'y'") + node("Neg", "input: 'y' output: 'b'") + kY), HasSubstr("cycle"));
  EXPECT_THAT(message(x + "initializer { name: 'w' data_type: 1 dims: 3 float_data: [1, 2] } " + kRelu + kY), HasSubstr("tensor: w"));
  EXPECT_THAT(message(x + "initializer { name: 'w' data_type: 1 dims: -3 } " + kRelu + kY), HasSubstr("tensor: w"));
  EXPECT_THAT(message(x + "initializer { name: 'w' dims: 1 } " + kRelu + kY), HasSubstr("no element type"));
  EXPECT_THAT(message(x + "initializer { name: 'w' data_type: 1 dims: 4611686018427387904 dims: 4 raw_data: 'a' } " + kRelu + kY), HasSubstr("tensor: w"));
}

TEST(ImportErrors, OldAndUnsupported) {
  onnx::ModelProto old = model_of_graph(info("input", "x", fixed({1})) + kRelu + kY);
  old.mutable_opset_import(0)->set_version(5);
  EXPECT_THAT(import_error(old).what(), HasSubstr("operator set 5"));
  EXPECT_EQ(import_error(model_of_graph(info("input", "x", fixed({1}), 8) + kRelu + kY)).code(), ErrorCode::kUnsupported);
  EXPECT_THAT(import_error(model_of_graph(info("input", "x", fixed({1})) + "initializer { name: 'w' data_type: 17 dims: 1 raw_data: 'a' } " + kRelu + kY)).what(),
              HasSubstr("float8e4m3fn"));
  EXPECT_EQ(import_error(model_of_graph("input { name: 'x' type { sequence_type { } } } " + kRelu + kY)).code(), ErrorCode::kUnsupported);
}

TEST(ImportErrors, FilesThatAreNoModels) {
  const TemporaryFolder folder;
  SilentReporter silent;
  const auto message = [&](const std::string& content) {
    try {
      (void)import_model(folder.write("f.onnx", content), {}, silent);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  using namespace std::string_literals;
  EXPECT_THAT(message(""), HasSubstr("is empty"));
  EXPECT_THAT(message("hello, this is a readme\n"), HasSubstr("looks like text"));
  EXPECT_THAT(message("\x1c\0\0\0TFL3 and more"s), HasSubstr("TFLite"));
  EXPECT_THAT(message("PK\x03\x04 archive/data.pkl"), HasSubstr("PyTorch"));
  EXPECT_THAT(message("PK\x03\x04 model dlc.metadata"), HasSubstr("DLC"));
  EXPECT_THAT(message("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git-lfs"));
  EXPECT_THAT(message(std::string(100, '\0')), HasSubstr("zero bytes"));
  EXPECT_THAT(message("\x08\x08"), HasSubstr("not an ONNX model")) << "protobuf without a graph";
  EXPECT_THROW((void)import_model(folder.path(), {}, silent), Error);
  EXPECT_THROW((void)import_model(folder.path() / "absent.onnx", {}, silent), Error);
}

// --- external data ---

std::string external(const std::string& location, const std::string& more = "") {
  return info("input", "x", fixed({2})) +
         "initializer { name: 'w' data_type: 1 dims: 2 data_location: EXTERNAL external_data { key: 'location' value: '" + location +
         "' } " + more + " } " + node("Add", "input: ['x', 'w'] output: 'y'") + kY;
}

TEST(ImportExternal, ReadsASliceOfTheFile) {
  const TemporaryFolder folder;
  SilentReporter silent;
  const float values[4] = {1, 2, 3, 4};
  folder.write("w.bin", std::string(reinterpret_cast<const char*>(values), sizeof values));
  const auto path = folder.write("m.onnx", model_of_graph(external("w.bin", "external_data { key: 'offset' value: '8' }"
                                                                            "external_data { key: 'length' value: '8' }")).SerializeAsString());
  const auto model = import_model(path, {}, silent);
  EXPECT_THAT(model.graph.constant(model.graph.find_value("w"))->to_float(), ElementsAre(3, 4));
}

TEST(ImportExternal, NeverLeavesTheFolder) {
  const TemporaryFolder outside, folder;
  SilentReporter silent;
  outside.write("w.bin", "12345678");
  folder.write("short.bin", "1234");
  std::filesystem::create_directory(folder.path() / "sub");
  std::filesystem::create_symlink(outside.path() / "w.bin", folder.path() / "link.bin");
  std::filesystem::create_directory_symlink(outside.path(), folder.path() / "linked");
  const auto message = [&](const std::string& location, const std::string& more = "") {
    const auto path = folder.write("m.onnx", model_of_graph(external(location, more)).SerializeAsString());
    try {
      (void)import_model(path, {}, silent);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("tensor: w"));
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message((outside.path() / "w.bin").string()), HasSubstr("leaves the folder"));
  EXPECT_THAT(message("../" + outside.path().filename().string() + "/w.bin"), HasSubstr("leaves the folder"));
  EXPECT_THAT(message("sub/../../x"), HasSubstr("leaves the folder"));
  EXPECT_THAT(message("link.bin"), HasSubstr("outside the folder"));
  EXPECT_THAT(message("linked/w.bin"), HasSubstr("outside the folder"));
  EXPECT_THAT(message("absent.bin"), HasSubstr("absent.bin"));
  EXPECT_THAT(message("sub"), HasSubstr("not a regular file"));
  EXPECT_THAT(message("short.bin"), HasSubstr("outside a file of 4 bytes"));
  EXPECT_THAT(message("short.bin", "external_data { key: 'offset' value: '9223372036854775807' }"), HasSubstr("outside a file"));
  EXPECT_THAT(message("short.bin", "external_data { key: 'offset' value: '-1' }"), HasSubstr("offset"));
  EXPECT_THAT(message("short.bin", "external_data { key: 'length' value: '4' }"), HasSubstr("4 bytes are given"));
  EXPECT_THAT(message(""), HasSubstr("no file"));
}

// --- functions and control flow ---

TEST(ImportFunctions, CallsAreReplacedByTheirBodies) {
  onnx::ModelProto proto = parse_model(
      "ir_version: 8 opset_import { version: 17 } opset_import { domain: 'local' version: 1 } graph { " + info("input", "x", fixed({1})) +
      node("Twice", "name: 'a' domain: 'local' input: 'x' output: 'm' attribute { name: 'slope' type: FLOAT f: 0.25 }") +
      node("Twice", "name: 'b' domain: 'local' input: 'm' output: 'y'") + kY + "}" +
      "functions { name: 'Twice' domain: 'local' input: 'i' output: 'o' attribute: 'slope' opset_import { version: 16 } "
      "node { op_type: 'LeakyRelu' input: 'i' output: 't' attribute { name: 'alpha' type: FLOAT ref_attr_name: 'slope' } } "
      "node { op_type: 'Neg' input: 't' output: 'o' } }");
  const ir::Graph graph = import_proto(proto).graph;
  const auto order = graph.topological_order();
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ(graph.node(order[0]).op_type, "LeakyRelu");
  EXPECT_EQ(graph.node(order[0]).attr_float("alpha", 0), 0.25f);
  EXPECT_EQ(graph.node(order[0]).opset, 16);
  EXPECT_FALSE(graph.node(order[2]).has_attribute("alpha"));
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
}

TEST(ImportFunctions, ACallOfItselfIsAnError) {
  const Error error = import_error(parse_model(
      "ir_version: 8 opset_import { version: 17 } graph { " + info("input", "x", fixed({1})) + node("F", "domain: 'l' input: 'x' output: 'y'") + kY + "}" +
      "functions { name: 'F' domain: 'l' input: 'i' output: 'o' node { op_type: 'F' domain: 'l' input: 'i' output: 'o' } }"));
  EXPECT_THAT(error.what(), HasSubstr("nested too deep"));
}

TEST(ImportFunctions, AnExplosionOfCallsIsAnError) {
  std::string text = "ir_version: 8 opset_import { version: 17 } graph { " + info("input", "x", fixed({1})) + node("F0", "domain: 'l' input: 'x' output: 'y'") + kY + "}";
  for (int i = 0; i < 40; ++i) {
    const std::string next = i == 39 ? "op_type: 'Neg'" : "domain: 'l' op_type: 'F" + std::to_string(i + 1) + "'";
    text += "functions { name: 'F" + std::to_string(i) + "' domain: 'l' input: 'i' output: 'o' node { " + next + " input: 'i' output: 't' } node { " + next + " input: 't' output: 'o' } }";
  }
  EXPECT_EQ(import_error(parse_model(text)).code(), ErrorCode::kUnsupported);
}

std::string branch(const std::string& name, const std::string& op) {
  return "attribute { name: '" + name + "' type: GRAPH g { name: 'b' node { op_type: '" + op + "' input: 'h' output: 'r' } output { name: 'r' } } } ";
}

TEST(ImportControlFlow, CapturedTensorsAreTrailingInputs) {
  const ir::Graph graph =
      import_proto(model_of_graph(info("input", "x", fixed({1})) + info("input", "c", "", 9) +
                                  node("If", "name: 'if' input: 'c' output: 'y' " + branch("then_branch", "Neg") + branch("else_branch", "Abs")) +
                                  node("Relu", "input: 'x' output: 'h'") + kY)).graph;
  const auto order = graph.topological_order();
  ASSERT_EQ(order.size(), 2u);
  const ir::Node& conditional = graph.node(order[1]);
  EXPECT_EQ(conditional.op_type, "If") << "captures order the nodes";
  EXPECT_EQ(ir::explicit_input_count(conditional), 1u);
  EXPECT_THAT(ir::captures(conditional), ElementsAre("h"));
  EXPECT_EQ(conditional.inputs[1], graph.find_value("h"));
  ASSERT_NE(conditional.attr_graph("then_branch"), nullptr);
  EXPECT_NE(conditional.attr_graph("then_branch")->find_value("h"), ir::kNoValue);
}

TEST(ImportControlFlow, ConstantConditionTakesTheBranch) {
  for (const bool condition : {true, false}) {
    const ir::Graph graph =
        import_proto(model_of_graph(info("input", "x", fixed({1})) + "initializer { name: 'c' data_type: 9 int32_data: " + (condition ? "1" : "0") + " } " +
                                    node("Relu", "input: 'x' output: 'h'") +
                                    node("If", "name: 'if' input: 'c' output: 'y' " + branch("then_branch", "Neg") + branch("else_branch", "Abs")) + kY)).graph;
    const auto order = graph.topological_order();
    ASSERT_EQ(order.size(), 2u);
    EXPECT_EQ(graph.node(order[1]).op_type, condition ? "Neg" : "Abs");
    EXPECT_EQ(graph.node(order[1]).inputs[0], graph.find_value("h"));
    EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
    EXPECT_TRUE(graph.verify().empty());
  }
}

// --- quantized models ---

TEST(QuantizedKind, NamesTheForm) {
  const std::string x = info("input", "x", fixed({1}));
  EXPECT_FALSE(quantized_kind(import_proto(model_of_graph(x + kRelu + kY)).graph));
  EXPECT_THAT(*quantized_kind(import_proto(model_of_graph(x + node("QuantizeLinear", "input: ['x', 'x'] output: 'q'") +
                                                          node("DequantizeLinear", "input: ['q', 'x'] output: 'y'") + kY)).graph),
              HasSubstr("QDQ (1 QuantizeLinear"));
  EXPECT_THAT(*quantized_kind(import_proto(model_of_graph(x + node("QLinearConv", "input: 'x' output: 'y'") + kY)).graph),
              HasSubstr("QOperator (QLinearConv 1)"));
}

}  // namespace
}  // namespace qtool::onnxio
