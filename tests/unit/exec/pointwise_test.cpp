// 1x1 convolutions with SiLU run on kernels of our own: every remainder of pixels, channels and chunks.
#include "pointwise.h"

#include "exec_fixture.h"
#include "isa_scope.h"

namespace qtool::exec::testing {
namespace {

struct Layer {
  std::string name;
  Shape input;
  int64_t out_channels;
};

const Layer kLayers[] = {
    {"OnePixel", {1, 16, 1, 1}, 16},
    {"PadLanesOnBothSides", {1, 17, 5, 7}, 23},
    {"OddNumberOfBlocks", {2, 24, 9, 11}, 41},
    {"SeveralChunks", {1, 600, 17, 19}, 33},
    {"ManyChunksAndGroups", {1, 320, 40, 41}, 130},
};

ir::Graph graph_of(const Layer& layer) {
  GraphBuilder b(17);
  const auto y = b.node("Conv", {b.input("x", layer.input), b.random("w", {layer.out_channels, layer.input[1], 1, 1}, -0.1f, 0.1f),
                                 b.random("b", {layer.out_channels}, -0.5f, 0.5f)}, "y");
  b.output(b.node("Mul", {y, b.node("Sigmoid", {y}, "gate")}, "z"));
  return b.build().graph;
}

class Pointwise : public ::testing::TestWithParam<Layer> {};

TEST_P(Pointwise, IsCloseToTheReferenceOnEveryInstructionSet) {
  const ir::Graph graph = graph_of(GetParam());
  const auto inputs = random_inputs(graph, 3);
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    KernelRequest request{.graph = graph, .node = graph.node(graph.node_ids().front()), .block = preferred_block(),
                          .activation = {.kind = FusedActivation::Kind::kSilu}};
    request.input_layouts.assign(request.node.inputs.size(), Layout{});
    ASSERT_TRUE(pointwise_conv(request).has_value()) << isa;
    const Tensor found = Executor(graph, {}).new_session().run(inputs)[0];
    expect_close(expected[0], found, isa);
    const Tensor shared = Executor(graph, {.intra_threads = 3}).new_session().run(inputs)[0];
    EXPECT_TRUE(shared.identical(found)) << isa << ": threads change the result";
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Pointwise, ::testing::ValuesIn(kLayers), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qtool::exec::testing
