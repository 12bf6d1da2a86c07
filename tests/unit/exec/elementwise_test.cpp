// What element-wise operators and normalizations must keep; random_graph_test covers their combinations.
#include "exec_fixture.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {
namespace {

TEST(Elementwise, EveryBroadcastOnBlockedTensors) {
  const std::vector<Shape> shapes = {{}, {1}, {1, 1, 1, 1}, {1, 20, 1, 1}, {2, 20, 1, 1}, {20, 1, 1}, {2, 1, 5, 6}, {1, 1, 5, 6},
                                     {5, 6}, {6}, {5, 1}, {2, 20, 5, 6}, {1, 20, 5, 6}, {2, 20, 1, 6}, {2, 1, 1, 1}};
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min"}) {
    for (const Shape& shape : shapes) {
      for (const bool swapped : {false, true}) {
        GraphBuilder b;
        const auto in = b.input("in", {2, 3, 5, 6});
        auto x = conv(b, in, 3, 20, "x");
        if (swapped) {  // as a divisor, kept away from zero
          x = b.node("HardSigmoid", {x}, "bounded", {{"alpha", 0.1f}, {"beta", 0.6f}});
        }
        const auto other = b.random("other", shape, 0.5f, 2.0f);
        const auto y = b.node(op, swapped ? std::vector{other, x} : std::vector{x, other}, "y");
        b.output(y);
        b.output(conv(b, y, 20, 8, "z"));
        SCOPED_TRACE(format("{} with {} swapped {}", op, shape.text(), swapped));
        expect_as_interpreted(b);
      }
    }
  }
}

TEST(Elementwise, ChannelFactorsComputedByTheNetwork) {
  for (const char* op : {"Mul", "Add", "Sub"}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {2, 3, 9, 9}), 3, 20, "x1");
    const auto gate = conv(b, b.node("GlobalAveragePool", {x}, "mean"), 20, 20, "gate", 1);
    b.output(conv(b, b.node(op, {gate, x}, "left"), 20, 8, "left_out"));
    b.output(conv(b, b.node(op, {x, gate}, "right"), 20, 8, "right_out"));
    expect_as_interpreted(b);
  }
}

TEST(Elementwise, AValueWithItself) {
  GraphBuilder b;
  const auto x = conv(b, b.input("x", {1, 3, 4, 4}), 3, 20, "x1");
  b.output(b.node("Mul", {x, x}, "squared"));
  b.output(b.node("Add", {x, x}, "twice"));
  expect_as_interpreted(b);
}

TEST(Elementwise, SumOfOneTwoAndThree) {
  for (const size_t count : {1, 2, 3}) {
    GraphBuilder b;
    std::vector<ir::ValueId> inputs;
    for (size_t i = 0; i < count; ++i) inputs.push_back(b.input(format("x{}", i), {2, 3}));
    b.output(b.node("Sum", inputs, "y"));
    expect_as_interpreted(b);
  }
}

TEST(Elementwise, SquaresAreFastAndOtherPowersAreRight) {
  for (const float exponent : {2.0f, 3.0f}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 3, 5, 6}), 3, 20, "x1");
    b.output(conv(b, b.node("Pow", {x, b.scalar(exponent)}, "y"), 20, 8, "z"));
    EXPECT_EQ(exponent == 2.0f ? 0u : 1u, expect_as_interpreted(b).reference_steps);
  }
}

TEST(Norms, InstanceNormalizationOfEveryRank) {
  for (const Shape& shape : {Shape{2, 5, 9}, Shape{1, 20, 7, 6}, Shape{2, 3, 4, 5, 3}}) {
    GraphBuilder b(17);
    const auto x = b.input("x", shape);
    b.output(b.node("InstanceNormalization", {x, b.random("scale", {shape[1]}), b.random("bias", {shape[1]})}, "y", {{"epsilon", 1e-3f}}));
    SCOPED_TRACE(shape.text());
    EXPECT_EQ(0u, expect_as_interpreted(b).reference_steps);
  }
}

TEST(Norms, BatchNormalizationLeftAloneKeepsTheLayout) {
  for (const int64_t channels : {3, 16, 20}) {
    GraphBuilder b(17);
    const auto x = conv(b, b.input("x", {2, 3, 9, 8}), 3, channels, "x1");
    const auto y = b.batch_norm(b.node("Tanh", {x}, "t"), channels, "y");  // not behind a convolution
    b.output(y);
    b.output(conv(b, y, channels, 8, "z"));
    b.output(b.batch_norm(b.input("flat", {4, channels}), channels, "flat_y"));
    SCOPED_TRACE(channels);
    EXPECT_EQ(0u, expect_as_interpreted(b).reference_steps);
  }
}

}  // namespace
}  // namespace qtool::exec::testing
