// Winograd F(4x4, 3x3) against sums in double, on every class of shape it takes.
#include "winograd.h"

#include "exec_fixture.h"
#include "isa_scope.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {
namespace {

constexpr double kLargestRms = 3e-6;  // relative to the rms of the result

struct Layer {
  std::string name;
  Shape input;
  int64_t out_channels;
  Ints pads = {1, 1, 1, 1};  // top, left, bottom, right
  std::string activation = "";
  bool bias = true;
};

const Layer kLayers[] = {
    {"WholeTiles", {1, 16, 16, 16}, 16},
    {"OddSize", {1, 16, 13, 15}, 32},
    {"OnePixelMoreThanTiles", {1, 16, 17, 13}, 16},
    {"NoPads", {1, 16, 18, 18}, 16, {0, 0, 0, 0}},
    {"AsymmetricPads", {1, 24, 14, 14}, 24, {0, 2, 1, 0}},
    {"WidePads", {1, 8, 12, 12}, 8, {2, 2, 2, 2}},
    {"PadLanesOnBothSides", {1, 17, 14, 12}, 23},
    {"FewestChannels", {1, 8, 12, 12}, 8, {1, 1, 1, 1}, "", false},
    {"ThreeOutputBlocks", {1, 32, 12, 12}, 41},
    {"ManyImagesOfSevenBySeven", {4, 64, 7, 7}, 64},
    {"ManyBlocksOfTiles", {1, 128, 40, 36}, 64},
    {"ManyChannels", {1, 256, 18, 18}, 256, {1, 1, 1, 1}, "", false},
    {"LongRow", {1, 16, 2, 200}, 16},
    {"Relu", {1, 16, 13, 13}, 16, {1, 1, 1, 1}, "Relu"},
    {"Clip", {1, 16, 13, 13}, 16, {1, 1, 1, 1}, "Clip"},
    {"Silu", {1, 16, 13, 13}, 16, {1, 1, 1, 1}, "Silu"},
};

ir::Graph graph_of(const Layer& layer) {
  GraphBuilder b(17);
  const int64_t channels = layer.input[1];
  const auto bound = static_cast<float>(1.5 / std::sqrt(static_cast<double>(channels * 9)));
  std::vector<ir::ValueId> inputs = {b.input("x", layer.input), b.random("w", {layer.out_channels, channels, 3, 3}, -bound, bound)};
  if (layer.bias) inputs.push_back(b.random("b", {layer.out_channels}, -0.5f, 0.5f));
  auto y = b.node("Conv", inputs, "y", {{"pads", layer.pads}});
  if (layer.activation == "Relu") y = b.node("Relu", {y}, "z");
  if (layer.activation == "Clip") y = b.node("Clip", {y, b.scalar(-0.25f), b.scalar(1.0f)}, "z");
  if (layer.activation == "Silu") y = b.node("Mul", {y, b.node("Sigmoid", {y}, "gate")}, "z");
  b.output(y);
  return b.build().graph;
}

bool is_taken(const ir::Graph& graph) {
  KernelRequest request{.graph = graph, .node = graph.node(graph.node_ids().front()), .block = preferred_block()};
  request.input_layouts.assign(request.node.inputs.size(), Layout{});
  return winograd_conv(request).has_value();
}

double relative_rms(const Tensor& expected, const Tensor& found) {
  const auto a = expected.to_float(), b = found.to_float();
  double error = 0.0, size = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{a[i]} * a[i];
  }
  return std::sqrt(error / size);
}

class Winograd : public ::testing::TestWithParam<Layer> {};

TEST_P(Winograd, IsCloseToSumsInDouble) {
  const ir::Graph graph = graph_of(GetParam());
  const auto inputs = random_inputs(graph, 5);
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    ASSERT_TRUE(is_taken(graph)) << isa;
    Session session = Executor(graph, {}).new_session();
    const Tensor found = session.run(inputs).at(0);
    ASSERT_EQ(expected[0].shape(), found.shape());
    EXPECT_LT(relative_rms(expected[0], found), kLargestRms) << isa;
    RecordProperty(isa, format("{:.1e}", relative_rms(expected[0], found)));
  }
}

TEST_P(Winograd, DoesNotDependOnTheThreadCount) {
  const ir::Graph graph = graph_of(GetParam());
  const auto inputs = random_inputs(graph, 6);
  Session one = Executor(graph, {}).new_session();
  const Tensor expected = one.run(inputs).at(0);
  for (const int threads : {2, 3}) {
    Session many = Executor(graph, {.intra_threads = threads}).new_session();
    EXPECT_TRUE(expected.identical(many.run(inputs).at(0))) << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Winograd, ::testing::ValuesIn(kLayers), [](const auto& info) { return info.param.name; });

TEST(WinogradChoice, LeavesOtherLayersAlone) {
  struct Other {
    Shape input, weight;
    Attributes attributes;
  };
  const Attributes same{{"pads", Ints{1, 1, 1, 1}}};
  const std::vector<Other> others = {
      {{1, 16, 32, 32}, {16, 16, 3, 3}, {{"strides", Ints{2, 2}}}},
      {{1, 16, 32, 32}, {16, 16, 3, 3}, {{"dilations", Ints{2, 2}}}},
      {{1, 16, 32, 32}, {16, 8, 3, 3}, {{"group", int64_t{2}}}},
      {{1, 16, 32, 32}, {16, 16, 1, 3}, {}},
      {{1, 16, 32, 32}, {16, 16, 5, 5}, {}},
      {{1, 16, 32}, {16, 16, 3}, {}},
      {{1, 4, 32, 32}, {16, 4, 3, 3}, same},
      {{1, 512, 7, 7}, {512, 512, 3, 3}, same},
  };
  for (const Other& other : others) {
    GraphBuilder b(17);
    b.output(b.node("Conv", {b.input("x", other.input), b.random("w", other.weight)}, "y", other.attributes));
    EXPECT_FALSE(is_taken(b.build().graph)) << other.weight.text();
  }
}

// Transformed weights are no integers: the exact simulation must not come here.
TEST(WinogradChoice, IsOffInTheExactSimulation) {
  const ir::Graph graph = graph_of(kLayers[0]);
  model::EncodingTable encodings;
  for (const char* name : {"x", "w"}) {
    const quant::Range range{-2.0, 2.0};
    encodings[graph.find_value(name)].encoding = quant::encoding_from_ranges({.bits = 8}, {&range, 1});
  }
  EXPECT_EQ(0u, Executor(graph, {.encodings = &encodings}).summary().inexact_products);
}

}  // namespace
}  // namespace qtool::exec::testing
