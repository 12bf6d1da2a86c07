// Blocks of expansion, depthwise and projection that run band by band, against the three layers alone, on every class of shape.
#include "banded_block.h"

#include <cstdlib>
#include <memory>

#include "exec_fixture.h"
#include "isa_scope.h"
#include "step_names.h"
#include "threads.h"

namespace qtool::exec::testing {
namespace {

// Both are float32 sums over the same channels, in another order.
constexpr double kToUnfused = 2e-6;

struct Block {
  std::string name;
  Shape input;
  int64_t wide_channels, out_channels;
  Ints kernel = {3, 3};
  Ints strides = {1, 1};
  Ints dilations = {1, 1};
  Ints pads = {1, 1, 1, 1};  // top, left, bottom, right
  std::string activation = "Clip";
  std::string last_activation = "";
  bool residual = false;
  bool bias = true;
};

const Block kBlocks[] = {
    {"Plain", {1, 16, 14, 14}, 96, 24},
    {"Residual", {1, 24, 15, 13}, 144, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", true},
    {"ResidualOverSeveralChunks", {1, 40, 19, 19}, 480, 40, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", true},
    {"ChannelsBesideBlocks", {1, 17, 9, 11}, 91, 23},
    {"ChunksBesideBlocks", {1, 30, 11, 10}, 379, 41},
    {"Stride2", {1, 16, 17, 19}, 96, 24, {3, 3}, {2, 2}},
    {"Stride2EvenSizeEndPads", {1, 16, 18, 16}, 96, 24, {3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}},
    {"Stride2Wide5x5", {1, 24, 28, 28}, 144, 40, {5, 5}, {2, 2}, {1, 1}, {1, 1, 2, 2}},
    {"Stride3BeyondKernel", {1, 8, 23, 22}, 48, 16, {2, 2}, {3, 3}, {1, 1}, {0, 0, 0, 0}},
    {"Kernel5x5", {1, 20, 13, 12}, 120, 20, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}},
    {"Kernel1x5", {1, 16, 9, 14}, 64, 16, {1, 5}, {1, 1}, {1, 1}, {0, 2, 0, 2}},
    {"Kernel5x1", {1, 16, 14, 9}, 64, 16, {5, 1}, {1, 1}, {1, 1}, {2, 0, 2, 0}},
    {"Dilation2", {1, 16, 17, 15}, 96, 16, {3, 3}, {1, 1}, {2, 2}, {2, 2, 2, 2}, "Clip", "", true},
    {"Dilation4", {1, 32, 21, 22}, 192, 48, {3, 3}, {1, 1}, {4, 4}, {4, 4, 4, 4}},
    {"Dilation2Of5x5", {1, 16, 19, 20}, 64, 24, {5, 5}, {1, 1}, {2, 2}, {4, 4, 4, 4}},
    {"DilationPastTheImage", {1, 16, 5, 6}, 64, 16, {3, 3}, {1, 1}, {7, 7}, {7, 7, 7, 7}},
    {"Dilation2Stride2", {1, 16, 20, 21}, 64, 24, {3, 3}, {2, 2}, {2, 2}, {2, 2, 2, 2}},
    {"Dilation3Stride2", {1, 16, 23, 20}, 64, 24, {3, 3}, {2, 2}, {3, 3}, {3, 3, 3, 3}},
    {"Dilation4Stride2", {1, 16, 25, 22}, 64, 24, {3, 3}, {2, 2}, {4, 4}, {4, 4, 4, 4}},
    {"AxesDiffer", {1, 16, 21, 18}, 64, 24, {3, 5}, {2, 1}, {1, 2}, {1, 4, 1, 4}},
    {"NoPads", {1, 16, 16, 18}, 64, 24, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
    {"AsymmetricPads", {1, 16, 14, 14}, 64, 24, {3, 3}, {1, 1}, {1, 1}, {0, 2, 1, 0}},
    {"PadsWiderThanTheKernel", {1, 16, 7, 6}, 64, 24, {3, 3}, {1, 1}, {1, 1}, {4, 5, 3, 4}},
    {"OneRow", {1, 16, 1, 40}, 64, 24},
    {"OneColumn", {1, 16, 40, 1}, 64, 24},
    {"OnePixel", {1, 16, 1, 1}, 64, 24},
    {"LongRowsOneABand", {1, 8, 5, 300}, 32, 8},
    {"ManyBands", {1, 8, 70, 40}, 48, 16},
    {"TwoImages", {2, 16, 13, 14}, 96, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", true},
    {"NoBias", {1, 16, 14, 14}, 96, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", false, false},
    {"NoActivation", {1, 16, 14, 14}, 96, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, ""},
    {"Relu", {1, 16, 14, 14}, 96, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Relu", "Relu"},
    {"Silu", {1, 16, 14, 14}, 200, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Silu", "Silu"},
    {"ClipAtTheEnd", {1, 16, 14, 14}, 200, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Relu", "Clip"},
};

struct Built {
  ir::Graph graph;
  std::vector<ir::ValueId> inner;  // what the fused step does not write
};

class BlockBuilder {
 public:
  explicit BlockBuilder(const Block& block) : block_(block) {}

  Built build() {
    const int64_t in = block_.input[1], wide = block_.wide_channels;
    const auto x = b_.input("x", block_.input);
    const auto expanded = layer("expand", x, {wide, in, 1, 1}, block_.activation, {});
    const auto filtered = layer("depthwise", expanded, {wide, 1, block_.kernel[0], block_.kernel[1]}, block_.activation,
                                {{"group", wide}, {"strides", block_.strides}, {"dilations", block_.dilations}, {"pads", block_.pads}});
    auto result = layer("project", filtered, {block_.out_channels, wide, 1, 1}, block_.last_activation, {});
    std::vector<ir::ValueId> inner = {expanded, filtered};
    if (block_.residual) {
      inner.push_back(result);
      result = b_.node("Add", {result, x}, "sum");
    }
    b_.output(result);
    return {b_.build().graph, inner};
  }

 private:
  ir::ValueId layer(const std::string& name, ir::ValueId x, const Shape& weights, const std::string& activation, const Attributes& attributes) {
    const auto bound = static_cast<float>(2.0 / std::sqrt(static_cast<double>(weights.span_count(1, 4))));
    std::vector<ir::ValueId> inputs = {x, b_.random(name + "_w", weights, -bound, bound)};
    if (block_.bias) inputs.push_back(b_.random(name + "_b", {weights[0]}, -0.5f, 0.5f));
    const auto y = b_.node("Conv", inputs, name, attributes);
    if (activation == "Relu") return b_.node("Relu", {y}, name + "_a");
    if (activation == "Clip") return b_.node("Clip", {y, b_.scalar(-0.25f), b_.scalar(2.0f)}, name + "_a");
    if (activation == "Silu") return b_.node("Mul", {y, b_.node("Sigmoid", {y}, name + "_gate")}, name + "_a");
    return y;
  }

  const Block& block_;
  GraphBuilder b_{17};
};

bool runs_banded(const Executor& executor, const std::vector<Tensor>& inputs) {
  const std::vector<StepTime> steps = executor.new_session().profile(inputs, 1);
  return std::any_of(steps.begin(), steps.end(), [](const StepTime& step) { return step.op == kBandedBlockStep; });
}

class BandedBlock : public ::testing::TestWithParam<Block> {};

TEST_P(BandedBlock, EqualsTheLayersAloneOnEveryInstructionSet) {
  const Built built = BlockBuilder(GetParam()).build();
  const auto inputs = random_inputs(built.graph, 3);
  const auto expected = ops::interpret(built.graph, ops::builtin_registry(), inputs);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    const Executor fused(built.graph, {}), alone(built.graph, {.observed = built.inner});
    ASSERT_TRUE(runs_banded(fused, inputs)) << isa;
    ASSERT_FALSE(runs_banded(alone, inputs)) << isa;
    const Tensor found = fused.new_session().run(inputs)[0];
    expect_close(expected[0], found, isa);
    expect_close(alone.new_session().run(inputs)[0], found, isa + " against the layers alone", kToUnfused);
    for (const int threads : {2, 3, 5}) {
      const Tensor shared = Executor(built.graph, {.intra_threads = threads}).new_session().run(inputs)[0];
      EXPECT_TRUE(shared.identical(found)) << isa << ": " << threads << " threads change the result";
    }
  }
}

// Memory for a kernel's output or scratch with a guard behind it.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : bytes_((bytes + 63) / 64 * 64), memory_(static_cast<std::byte*>(std::aligned_alloc(64, bytes_ + kGuard))) {
    std::fill_n(memory_.get(), bytes_ + kGuard, kMark);
  }
  [[nodiscard]] std::byte* get() const { return memory_.get(); }
  [[nodiscard]] bool intact() const {
    return std::all_of(get() + bytes_, get() + bytes_ + kGuard, [](std::byte b) { return b == kMark; });
  }

 private:
  static constexpr size_t kGuard = 1 << 16;
  static constexpr std::byte kMark{0xA5};
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

TEST_P(BandedBlock, StaysInsideItsMemory) {
  const Built built = BlockBuilder(GetParam()).build();
  const auto chain = find_block_chain(built.graph, ValueFacts(built.graph, {}), built.graph.node(built.graph.topological_order().front()));
  ASSERT_TRUE(chain.has_value());
  const Layout blocked{preferred_block()};
  const auto bytes = [&](ir::ValueId id) { return static_cast<size_t>(physical_count(built.graph.type_of(id).shape, blocked)) * sizeof(float); };
  for (const int threads : {1, 3}) {
    const ThreadScope scope(threads);
    const KernelChoice choice = banded_block(built.graph, *chain);
    const Guarded source(bytes(chain->source)), target(bytes(chain->result)), scratch(choice.scratch_bytes);
    std::fill_n(source.get(), bytes(chain->source), std::byte{0});
    const void* in[] = {source.get()};
    void* out[] = {target.get()};
    choice.kernel->run({.in = in, .out = out, .scratch = scratch.get()});
    EXPECT_TRUE(target.intact() && scratch.intact() && source.intact());
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, BandedBlock, ::testing::ValuesIn(kBlocks), [](const auto& info) { return info.param.name; });

TEST(BandedBlocks, LeaveEveryInnerValueThatSomebodyWantsToSee) {
  const Block block{"Residual", {1, 24, 15, 13}, 144, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", true};
  const Built built = BlockBuilder(block).build();
  const auto inputs = random_inputs(built.graph, 3);
  const auto values = interpret_all(built.graph, inputs);
  for (const ir::ValueId inner : built.inner) {
    const Executor executor(built.graph, {.observed = {inner}});
    Session session = executor.new_session();
    const Observation seen = run_observed(session, inputs);
    ASSERT_TRUE(seen.taps.contains(inner));
    expect_close(values.at(inner), seen.taps.at(inner), "tap");
    ir::Graph requested = built.graph;
    requested.outputs.push_back(inner);
    expect_close(values.at(inner), Executor(requested, {}).new_session().run(inputs)[1], "requested output");
  }
}

TEST(BandedBlocks, ShowTheResultToTaps) {
  const Block block{"Residual", {1, 24, 15, 13}, 144, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, "Clip", "", true};
  const Built built = BlockBuilder(block).build();
  const auto inputs = random_inputs(built.graph, 3);
  const ir::ValueId result = built.graph.outputs[0];
  const Executor executor(built.graph, {.observed = {result}});
  ASSERT_TRUE(runs_banded(executor, inputs));
  Session session = executor.new_session();
  expect_close(interpret_all(built.graph, inputs).at(result), run_observed(session, inputs).taps.at(result), "tap");
}

// A projection whose result two readers want is the block's result; the sum is another step.
TEST(BandedBlocks, EndBeforeAValueWithTwoReaders) {
  GraphBuilder b(17);
  const auto x = b.input("x", {1, 16, 12, 12});
  const auto wide = b.node("Relu", {b.node("Conv", {x, b.random("w1", {64, 16, 1, 1}, -0.3f, 0.3f)}, "e")}, "ea");
  const auto rows = b.node("Conv", {wide, b.random("w2", {64, 1, 3, 3}, -0.3f, 0.3f)}, "d", {{"group", int64_t{64}}, {"pads", Ints{1, 1, 1, 1}}});
  const auto narrow = b.node("Conv", {rows, b.random("w3", {16, 64, 1, 1}, -0.3f, 0.3f)}, "p");
  b.output(b.node("Add", {narrow, x}, "sum"));
  b.output(b.node("Relu", {narrow}, "r"));
  const ir::Graph graph = b.build().graph;
  const auto inputs = random_inputs(graph, 5);
  const Executor executor(graph, {});
  ASSERT_TRUE(runs_banded(executor, inputs));
  const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
  const auto found = executor.new_session().run(inputs);
  for (size_t i = 0; i < found.size(); ++i) expect_close(expected[i], found[i], "output");
}

}  // namespace
}  // namespace qtool::exec::testing
