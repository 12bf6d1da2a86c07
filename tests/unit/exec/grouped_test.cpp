// Direct convolutions on kernels of our own, grouped or not: both forms, every number of axes, padding, strides, and remainders of
// channels, groups, rows and boxes.
#include "grouped.h"

#include "exec_fixture.h"
#include "grouped_planes.h"
#include "isa_scope.h"
#include "threads.h"

namespace qtool::exec::testing {
namespace {

struct Layer {
  std::string name;
  Shape input, weight;  // weight: [out, in / groups, kernel...]
  Attributes attributes = {};
  std::string activation = "";
  bool bias = true;
};

Attributes with(int64_t pad, size_t axes, int64_t stride = 1, int64_t dilation = 1) {
  return {{"pads", Ints(2 * axes, pad)}, {"strides", Ints(axes, stride)}, {"dilations", Ints(axes, dilation)}};
}

const Layer kLayers[] = {
    {"TwoInputsAGroup", {1, 32, 9, 17}, {32, 2, 3, 3}, with(1, 2)},
    {"EightInputsAGroup", {1, 32, 14, 14}, {32, 8, 3, 3}, with(1, 2)},
    {"GroupsAcrossBlocks", {1, 30, 9, 9}, {30, 6, 3, 3}, with(1, 2)},
    {"WideGroupsAcrossBlocks", {1, 72, 10, 11}, {72, 24, 3, 3}, with(1, 2)},
    {"MoreOutputsThanInputs", {1, 12, 9, 9}, {40, 3, 3, 3}, with(1, 2)},
    {"FewerOutputsThanInputs", {1, 96, 9, 9}, {12, 24, 3, 3}, with(1, 2)},
    {"OneOutputAGroup", {1, 80, 5, 5}, {5, 16, 3, 3}, with(1, 2)},
    {"Depthwise", {1, 23, 13, 15}, {23, 1, 3, 3}, with(1, 2)},
    {"DepthwiseTwice", {1, 24, 13, 15}, {48, 1, 3, 3}, with(1, 2)},
    {"DepthwiseThrice", {1, 7, 8, 8}, {21, 1, 5, 5}, with(2, 2)},
    {"DepthwiseSevenWide", {1, 20, 11, 37}, {20, 1, 7, 7}, with(3, 2)},
    {"TwoInputsAGroupSevenWide", {1, 20, 3, 37}, {20, 2, 3, 7}, with(3, 2)},
    {"DepthwiseWithoutPads", {1, 32, 12, 40}, {32, 1, 3, 3}},
    {"StrideTwo", {1, 24, 15, 31}, {24, 4, 3, 3}, with(1, 2, 2)},
    {"StrideThree", {1, 24, 16, 17}, {24, 4, 3, 3}, with(0, 2, 3)},
    {"Dilated", {1, 24, 14, 19}, {24, 4, 3, 3}, with(3, 2, 1, 3)},
    {"StridedAndDilated", {1, 24, 21, 19}, {24, 4, 3, 3}, with(2, 2, 2, 2)},
    {"AsymmetricPads", {1, 24, 9, 10}, {24, 4, 4, 2}, {{"pads", Ints{0, 2, 3, 1}}}},
    {"PadsWiderThanTheImage", {1, 16, 3, 2}, {16, 4, 3, 3}, with(5, 2)},
    {"OnlyTheMiddleTapMeetsTheImage", {1, 16, 2, 2}, {16, 4, 3, 3}, with(4, 2, 1, 4)},
    {"SingleRow", {2, 24, 33}, {24, 4, 5}, with(2, 1)},
    {"LongRowInPieces", {1, 64, 3000}, {64, 8, 9}, with(4, 1)},
    {"Volume", {1, 24, 5, 6, 7}, {24, 4, 3, 3, 3}, with(1, 3)},
    {"DilatedVolume", {1, 16, 7, 6, 5}, {16, 1, 3, 2, 3}, with(2, 3, 1, 2)},
    {"StridedVolume", {2, 16, 7, 6, 9}, {16, 2, 3, 3, 3}, with(1, 3, 2)},
    {"ManyRowsInBands", {1, 32, 70, 64}, {32, 8, 3, 3}, with(1, 2)},
    {"Pointwise", {1, 60, 9, 9}, {60, 20, 1, 1}},
    {"PointwiseInWholeBlocks", {2, 96, 7, 7}, {64, 48, 1, 1}},
    {"PointwiseWithStride", {1, 60, 9, 9}, {60, 20, 1, 1}, with(0, 2, 2)},
    {"OneGroup", {1, 20, 9, 9}, {40, 20, 3, 3}, with(1, 2, 2)},
    {"ThreeInputs", {2, 3, 17, 13}, {20, 3, 5, 5}, with(2, 2)},
    {"OneGroupPointwise", {1, 33, 9, 9}, {17, 33, 1, 1}},
    {"NoBias", {1, 24, 9, 9}, {24, 4, 3, 3}, with(1, 2), "", false},
    {"Relu", {1, 24, 9, 9}, {24, 4, 3, 3}, with(1, 2), "Relu"},
    {"Clip", {1, 24, 9, 9}, {24, 4, 3, 3}, with(1, 2), "Clip"},
    {"Silu", {1, 72, 9, 9}, {72, 24, 3, 3}, with(1, 2), "Silu"},
};

ir::Graph graph_of(const Layer& layer) {
  GraphBuilder b(17);
  Attributes attributes = layer.attributes;
  attributes.emplace("group", layer.input[1] / layer.weight[1]);
  std::vector<ir::ValueId> inputs = {b.input("x", layer.input), b.random("w", layer.weight, -0.1f, 0.1f)};
  if (layer.bias) inputs.push_back(b.random("b", {layer.weight[0]}, -0.5f, 0.5f));
  auto y = b.node("Conv", inputs, "y", attributes);
  if (layer.activation == "Relu") y = b.node("Relu", {y}, "z");
  if (layer.activation == "Clip") y = b.node("Clip", {y, b.scalar(-0.25f), b.scalar(1.0f)}, "z");
  if (layer.activation == "Silu") y = b.node("Mul", {y, b.node("Sigmoid", {y}, "gate")}, "z");
  b.output(y);
  return b.build().graph;
}

FusedActivation fused(const std::string& name) {
  if (name == "Relu") return {.kind = FusedActivation::Kind::kRelu};
  if (name == "Clip") return {.kind = FusedActivation::Kind::kClip, .lo = -0.25f, .hi = 1.0f};
  if (name == "Silu") return {.kind = FusedActivation::Kind::kSilu};
  return {};
}

// The kernel itself, whatever the rule that chooses between it and oneDNN would say.
Tensor run_kernel(const ir::Graph& graph, const Layer& layer, const Tensor& input, int threads) {
  const ThreadScope scope(threads);
  KernelRequest request{.graph = graph, .node = graph.node(graph.node_ids().front()), .block = preferred_block(),
                        .activation = fused(layer.activation)};
  request.input_layouts.assign(request.node.inputs.size(), Layout{});
  const auto choice = grouped_conv(request);
  const Layout layout{request.block};
  EXPECT_EQ(layout, choice->output_layouts.at(0));
  std::vector<float> source(static_cast<size_t>(physical_count(input.shape(), layout)), 0.0f);
  std::vector<float> target(static_cast<size_t>(physical_count(request.output_shape(), layout)), NAN);
  copy_from_plain(input.data<float>().data(), input.shape(), layout, source.data());
  std::vector<std::byte> scratch(choice->scratch_bytes + 64);
  const void* in[] = {source.data(), nullptr, nullptr};
  void* out[] = {target.data()};
  auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
  choice->kernel->run({.in = in, .out = out, .scratch = aligned});
  Tensor result(DType::kFloat32, request.output_shape());
  copy_to_plain({target.data(), request.output_shape(), layout}, result.mutable_data<float>().data());
  return result;
}

class Grouped : public ::testing::TestWithParam<Layer> {};

TEST_P(Grouped, IsCloseToTheReferenceOnEveryInstructionSetAndThreadCount) {
  const ir::Graph graph = graph_of(GetParam());
  const auto inputs = random_inputs(graph, 3);
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    const Tensor found = run_kernel(graph, GetParam(), inputs[0], 1);
    expect_close(expected[0], found, isa);
    EXPECT_TRUE(found.identical(run_kernel(graph, GetParam(), inputs[0], 3))) << isa << ": threads change the result";
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Grouped, ::testing::ValuesIn(kLayers), [](const auto& info) { return info.param.name; });

// The executor takes the kernel where oneDNN has none on channel blocks: the input is reordered, and nothing else.
TEST(GroupedChoice, KeepsChannelBlocks) {
  const Layer narrow{"", {1, 32, 12, 12}, {32, 4, 3, 3}, with(1, 2)};
  const ir::Graph graph = graph_of(narrow);
  const auto inputs = random_inputs(graph, 4);
  const Tensor found = Executor(graph, {}).new_session().run(inputs)[0];
  EXPECT_TRUE(found.identical(run_kernel(graph, narrow, inputs[0], 1)));
}

// A value that is not finite stays within its group as long as lanes are arranged one by one.
TEST(GroupedForms, NarrowGroupsDoNotTouchEachOther) {
  const Layer narrow{"", {1, 32, 6, 6}, {32, 4, 3, 3}, with(1, 2)};
  const ir::Graph graph = graph_of(narrow);
  auto inputs = random_inputs(graph, 4);
  inputs[0].mutable_data<float>()[0] = INFINITY;  // channel 0
  const Tensor found = run_kernel(graph, narrow, inputs[0], 1);
  for (size_t i = 4 * 36; i < 32 * 36; ++i) ASSERT_TRUE(std::isfinite(found.data<float>()[i])) << i;
}

TEST(GroupedForms, UnitsShareTheirInputs) {
  // Groups of 48 outputs in blocks of 16: three blocks read the same 16 inputs.
  const auto units = grouped_units(GroupedJob::kBroadcast, {.groups = 2, .in = 32, .out = 96, .block = 16}, 9);
  ASSERT_EQ(2u, units.size());
  EXPECT_EQ(3, units[0].blocks);
  EXPECT_EQ(3, units[1].first_block);
  EXPECT_EQ(16 * 9 * 16, units[0].block_weights);
  EXPECT_EQ(3 * units[0].block_weights, units[1].weights_at);
}

}  // namespace
}  // namespace qtool::exec::testing
