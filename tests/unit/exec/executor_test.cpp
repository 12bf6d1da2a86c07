// What one operator, one fusion or one memory rule must keep; random_graph_test covers their combinations.
#include "exec_fixture.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {
namespace {

// ---- convolutions of every rank ---------------------------------------------------------------------------------

struct ConvCase {
  std::string name;
  std::string op;
  Shape input, weight;
  Attributes attributes;
  bool bias = true;
};

const ConvCase kConvs[] = {
    {"OneDimension", "Conv", {2, 5, 17}, {7, 5, 3}, {{"pads", Ints{1, 0}}, {"strides", Ints{2}}}},
    {"OneDimensionDepthwise", "Conv", {1, 20, 9}, {20, 1, 3}, {{"group", int64_t{20}}}, false},
    {"ThreeDimensions", "Conv", {1, 8, 5, 6, 4}, {16, 8, 3, 3, 3}, {{"pads", Ints{1, 0, 1, 1, 1, 0}}}},
    {"AsymmetricPads", "Conv", {1, 16, 8, 8}, {16, 16, 3, 3}, {{"pads", Ints{0, 1, 2, 0}}, {"strides", Ints{2, 2}}}},
    {"SameUpper", "Conv", {1, 3, 7, 8}, {16, 3, 4, 4}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}}},
    {"StrideLargerThanKernel", "Conv", {1, 8, 9, 9}, {8, 8, 1, 1}, {{"strides", Ints{3, 2}}}},
    {"Dilated", "Conv", {1, 16, 11, 11}, {8, 16, 3, 3}, {{"dilations", Ints{2, 3}}, {"pads", Ints{2, 3, 2, 3}}}, false},
    {"TwoGroupsOfUnalignedChannels", "Conv", {1, 20, 6, 6}, {14, 10, 3, 3}, {{"group", int64_t{2}}}},
    {"Depthwise19", "Conv", {2, 19, 6, 6}, {19, 1, 3, 3}, {{"group", int64_t{19}}, {"pads", Ints{1, 1, 1, 1}}}},
    {"DepthwiseWithMultiplier", "Conv", {1, 6, 6, 6}, {12, 1, 3, 3}, {{"group", int64_t{6}}}},
    {"SinglePixel", "Conv", {1, 40, 1, 1}, {10, 40, 1, 1}, {}},
    {"KernelAsLargeAsTheImage", "Conv", {1, 16, 7, 7}, {16, 16, 7, 7}, {}},
    {"Transposed", "ConvTranspose", {1, 16, 5, 4}, {16, 9, 3, 2}, {{"strides", Ints{2, 3}}, {"pads", Ints{1, 0, 0, 1}}}},
    {"TransposedGroups", "ConvTranspose", {2, 6, 4, 4}, {6, 4, 3, 3}, {{"group", int64_t{2}}}, false},
    {"TransposedDilated", "ConvTranspose", {1, 8, 4, 4}, {8, 8, 3, 3}, {{"dilations", Ints{2, 2}}, {"output_padding", Ints{1, 1}}, {"strides", Ints{2, 2}}}},
    {"TransposedOneDimension", "ConvTranspose", {1, 4, 6}, {4, 3, 4}, {{"strides", Ints{2}}}},
};

class Convolutions : public ::testing::TestWithParam<ConvCase> {};

TEST_P(Convolutions, EqualTheReference) {
  const ConvCase& c = GetParam();
  GraphBuilder b(17);
  std::vector<ir::ValueId> inputs = {b.input("x", c.input), b.random("w", c.weight, -0.5f, 0.5f)};
  const auto group = c.attributes.contains("group") ? std::get<int64_t>(c.attributes.at("group")) : 1;
  if (c.bias) inputs.push_back(b.random("b", {c.op == "Conv" ? c.weight[0] : c.weight[1] * group}));
  b.output(b.node(c.op, inputs, "y", c.attributes));
  const PlanSummary summary = expect_as_interpreted(b);
#if !defined(__x86_64__)
  if (c.op == "ConvTranspose") return;  // left to the reference operator where oneDNN has no kernel
#endif
  EXPECT_EQ(0u, summary.reference_steps);
}

INSTANTIATE_TEST_SUITE_P(All, Convolutions, ::testing::ValuesIn(kConvs), [](const auto& info) { return info.param.name; });

// ---- matrix products --------------------------------------------------------------------------------------------

TEST(MatrixProducts, GemmInEveryOrientation) {
  for (const int64_t trans_a : {0, 1}) {
    for (const int64_t trans_b : {0, 1}) {
      for (const bool constant : {false, true}) {
        for (const Shape& c : {Shape{6}, Shape{1, 6}, Shape{5, 1}, Shape{5, 6}, Shape{}, Shape{1}}) {
          GraphBuilder b;
          const auto x = b.input("x", trans_a ? Shape{7, 5} : Shape{5, 7});
          const Shape ws = trans_b ? Shape{6, 7} : Shape{7, 6};
          const auto w = constant ? b.random("w", ws) : b.input("w", ws);
          b.output(b.node("Gemm", {x, w, b.random("c", c)}, "y",
                          {{"transA", trans_a}, {"transB", trans_b}, {"alpha", constant ? 0.5f : 1.0f}, {"beta", 2.0f}}));
          SCOPED_TRACE(format("transA {} transB {} constant {} C {}", trans_a, trans_b, constant, c.text()));
          expect_as_interpreted(b);
        }
      }
    }
  }
}

TEST(MatrixProducts, GemmWithOneColumnAndScalarC) {
  GraphBuilder b;
  const auto x = b.input("x", {4, 3});
  b.output(b.node("Gemm", {x, b.random("w", {3, 1}), b.scalar(0.5f)}, "y"));
  expect_as_interpreted(b);
}

TEST(MatrixProducts, MatMulBroadcastsBatches) {
  const std::vector<std::pair<Shape, Shape>> cases = {
      {{4, 5}, {5, 3}}, {{2, 4, 5}, {5, 3}}, {{2, 4, 5}, {2, 5, 3}}, {{2, 3, 4, 5}, {2, 3, 5, 6}}, {{2, 1, 4, 5}, {1, 3, 5, 6}},
      {{4, 5}, {3, 5, 6}}, {{5}, {5, 3}}, {{4, 5}, {5}}, {{5}, {5}}, {{1, 2, 1, 5}, {1, 2, 5, 1}}};
  for (const auto& [left, right] : cases) {
    for (const bool constant : {false, true}) {
      GraphBuilder b;
      const auto x = b.input("x", left);
      b.output(b.node("MatMul", {x, constant ? b.random("w", right) : b.input("w", right)}, "y"));
      SCOPED_TRACE(format("{} x {} constant {}", left.text(), right.text(), constant));
      expect_as_interpreted(b);
    }
  }
}

// ---- pools ------------------------------------------------------------------------------------------------------

TEST(Pools, EveryKindOfPaddingBetweenConvolutions) {
  for (const char* op : {"MaxPool", "AveragePool"}) {
    for (const Ints& pads : {Ints{0, 0, 0, 0}, Ints{1, 1, 1, 1}, Ints{0, 1, 1, 0}}) {
      for (const int64_t ceil_mode : {0, 1}) {
        for (const int64_t include : {0, 1}) {
          for (const int64_t channels : {3, 16, 20}) {
            if (include != 0 && std::string(op) == "MaxPool") continue;
            GraphBuilder b(17);
            const auto x = conv(b, b.input("x", {1, 3, 8, 7}), 3, channels, "x1");
            Attributes attributes{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", pads}, {"ceil_mode", ceil_mode}};
            if (include != 0) attributes["count_include_pad"] = include;
            const auto y = b.node(op, {x}, "y", attributes);
            b.output(y);
            b.output(conv(b, y, channels, 8, "z"));
            SCOPED_TRACE(format("{} pads {} {} {} {} ceil {} include {} channels {}", op, pads[0], pads[1], pads[2], pads[3],
                                ceil_mode, include, channels));
            expect_as_interpreted(b);
          }
        }
      }
    }
  }
}

// ---- element-wise -----------------------------------------------------------------------------------------------

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

// ---- fusion -----------------------------------------------------------------------------------------------------

TEST(Elementwise, SquaresAreFastAndOtherPowersAreRight) {
  for (const float exponent : {2.0f, 3.0f}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 3, 5, 6}), 3, 20, "x1");
    b.output(conv(b, b.node("Pow", {x, b.scalar(exponent)}, "y"), 20, 8, "z"));
    EXPECT_EQ(exponent == 2.0f ? 0u : 1u, expect_as_interpreted(b).reference_steps);
  }
}

TEST(Fusion, ActivationsAreFusedIntoTheConvolution) {
  for (const std::string kind : {"Relu", "Clip", "Silu"}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 16, 5, 5}), 16, 20, "x1");
    ir::ValueId y{};
    if (kind == "Relu") y = b.node("Relu", {x}, "y");
    if (kind == "Clip") y = b.node("Clip", {x, b.scalar(0.25f), b.scalar(0.75f)}, "y");
    if (kind == "Silu") y = b.node("Mul", {b.node("Sigmoid", {x}, "gate"), x}, "y");
    b.output(conv(b, y, 20, 8, "z"));  // padding lanes of y meet zero weights
    const PlanSummary summary = expect_as_interpreted(b);
    EXPECT_EQ(3u, summary.steps) << kind;  // into channel blocks and two convolutions
  }
}

TEST(Fusion, IntermediatesThatSomebodyNeedsKeepTheirValues) {
  enum class Need { kOutput, kTap, kReader };
  for (const Need need : {Need::kOutput, Need::kTap, Need::kReader}) {
    for (const bool gate_needed : {false, true}) {
      GraphBuilder b;
      const auto x = conv(b, b.input("x", {1, 16, 5, 5}), 16, 20, "x1");
      const auto gate = b.node("Sigmoid", {x}, "gate");
      b.output(b.node("Mul", {x, gate}, "y"));
      const auto needed = gate_needed ? gate : x;
      std::vector<ir::ValueId> observed;
      if (need == Need::kOutput) b.output(needed);
      if (need == Need::kTap) observed.push_back(needed);
      if (need == Need::kReader) b.output(b.node("Neg", {needed}, "reader"));
      expect_as_interpreted(b, observed);
    }
  }
}

TEST(Fusion, TwoProductsOfOneGate) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 5, 5});
  const auto gate = b.node("Sigmoid", {x}, "gate");
  b.output(b.node("Mul", {x, gate}, "a"));
  b.output(b.node("Mul", {gate, x}, "b"));
  expect_as_interpreted(b);
}

TEST(Fusion, ClipWithOneBoundOnly) {
  for (const bool lower : {false, true}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {1, 3, 5, 5}), 3, 16, "x1");
    const auto bound = b.scalar(0.1f);
    b.output(b.node("Clip", {x, lower ? bound : ir::kNoValue, lower ? ir::kNoValue : bound}, "y"));
    expect_as_interpreted(b);
  }
}

TEST(Fusion, ConvolutionWhoseActivationIsAConcatPart) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 5, 5});
  const auto left = b.node("Relu", {conv(b, x, 16, 16, "left")}, "left_relu");
  const auto right = b.node("Relu", {conv(b, x, 16, 20, "right")}, "right_relu");
  const auto joined = b.node("Concat", {left, right}, "joined", {{"axis", int64_t{1}}});
  b.output(conv(b, joined, 36, 8, "z"));
  expect_as_interpreted(b, {left, joined});
}

// ---- parts of concatenations --------------------------------------------------------------------------------------

// Several parts, of which an inner one is no whole channel block.
TEST(Concat, PartsOfEveryWidth) {
  for (const Ints& widths : {Ints{16, 16}, Ints{16, 24, 16}, Ints{16, 16, 20}, Ints{8, 16}, Ints{3, 16}, Ints{16, 3, 16, 32}}) {
    for (const int64_t batch : {1, 2}) {
      GraphBuilder b;
      const auto x = b.input("x", {batch, 16, 4, 4});
      std::vector<ir::ValueId> parts;
      int64_t total = 0;
      for (const int64_t width : widths) {
        parts.push_back(conv(b, x, 16, width, format("part{}", parts.size())));
        total += width;
      }
      const auto joined = b.node("Concat", parts, "joined", {{"axis", int64_t{1}}});
      b.output(joined);
      b.output(conv(b, joined, total, 8, "z"));
      b.output(b.node("Neg", {parts[0]}, "again"));
      expect_as_interpreted(b, parts);
    }
  }
}

TEST(Concat, NestedAndOfSplitOfConcat) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 4, 4});
  const auto p = conv(b, x, 16, 16, "p"), q = conv(b, x, 16, 32, "q");
  const auto inner = b.node("Concat", {p, q}, "inner", {{"axis", int64_t{1}}});
  const auto outer = b.node("Concat", {inner, p}, "outer", {{"axis", int64_t{1}}});
  const auto parts = b.nodes("Split", {outer, b.constant("sizes", ints({16, 20, 28}))}, {"s0", "s1", "s2"}, {{"axis", int64_t{1}}});
  const auto again = b.node("Concat", {parts[2], parts[0], parts[2]}, "again", {{"axis", int64_t{1}}});
  b.output(conv(b, again, 72, 8, "z"));
  b.output(parts[1]);
  b.output(inner);
  expect_as_interpreted(b, {p, q, parts[0], again});
}

TEST(Concat, OnePartInTwoConcats) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 4, 4});
  const auto p = conv(b, x, 16, 16, "p"), q = conv(b, x, 16, 16, "q");
  b.output(b.node("Concat", {p, q}, "a", {{"axis", int64_t{1}}}));
  b.output(b.node("Concat", {q, p}, "b", {{"axis", int64_t{1}}}));
  b.output(b.node("Concat", {p, p}, "c", {{"axis", int64_t{1}}}));
  expect_as_interpreted(b);
}

TEST(Concat, InputsAndConstantsAsParts) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 4, 4});
  const auto p = conv(b, x, 16, 16, "p");
  b.output(b.node("Concat", {x, b.random("c", {1, 16, 4, 4}), p}, "y", {{"axis", int64_t{1}}}));
  expect_as_interpreted(b);
}

// ---- movement ---------------------------------------------------------------------------------------------------

TEST(Movement, EveryPermutationOfFourAxes) {
  Ints perm = {0, 1, 2, 3};
  do {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {2, 3, 5, 4}), 3, 18, "x1");
    b.output(b.node("Transpose", {x}, "y", {{"perm", perm}}));
    expect_as_interpreted(b);
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Movement, BlocksOfPixelsAndChannels) {
  for (const std::string mode : {"DCR", "CRD"}) {
    GraphBuilder b;
    const auto x = conv(b, b.input("x", {2, 3, 5, 4}), 3, 18, "x1");
    const auto wide = b.node("DepthToSpace", {x}, "wide", {{"blocksize", int64_t{3}}, {"mode", mode}});
    b.output(b.node("SpaceToDepth", {conv(b, wide, 2, 3, "x2")}, "y", {{"blocksize", int64_t{3}}}));
    expect_as_interpreted(b, {wide});
  }
}

TEST(Movement, ChannelShuffle) {
  GraphBuilder b;
  const auto x = conv(b, b.input("x", {1, 3, 6, 6}), 3, 32, "x1");
  const auto folded = b.node("Reshape", {x, b.constant("s1", ints({1, 2, 16, 6, 6}))}, "folded");
  const auto turned = b.node("Transpose", {folded}, "turned", {{"perm", Ints{0, 2, 1, 3, 4}}});
  const auto flat = b.node("Reshape", {turned, b.constant("s2", ints({1, 32, 6, 6}))}, "flat");
  b.output(conv(b, flat, 32, 8, "z"));
  b.output(x);
  expect_as_interpreted(b, {folded, flat});
}

TEST(Movement, InputAsOutputThroughViews) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 6});
  const auto same = b.node("Identity", {x}, "same");
  b.output(b.node("Reshape", {same, b.constant("s", ints({3, 4}))}, "y"));
  b.output(x);
  b.output(b.random("constant", {3}));
  expect_as_interpreted(b, {x, same});
}

TEST(Movement, SoftmaxOnEveryAxisOldAndNew) {
  for (const int64_t opset : {11, 13}) {
    for (int64_t axis = -4; axis < 4; ++axis) {
      GraphBuilder b(opset);
      const auto x = conv(b, b.input("x", {2, 3, 3, 5}), 3, 20, "x1");
      b.output(b.node("Softmax", {x}, "y", {{"axis", axis}}));
      expect_as_interpreted(b);
    }
  }
}

TEST(Movement, SoftmaxOfShortRows) {
  for (const int64_t n : {1, 2, 3, 16, 17}) {
    GraphBuilder b;
    b.output(b.node("Softmax", {b.input("x", {5, 33, n})}, "y"));
    SCOPED_TRACE(n);
    expect_as_interpreted(b);
  }
}

TEST(Movement, LayerNormalizationOverOneAndTwoAxes) {
  for (const int64_t axis : {-1, -2}) {
    GraphBuilder b(17);
    const auto x = b.input("x", {2, 7, 3, 9});
    const Shape scale = axis == -1 ? Shape{9} : Shape{3, 9};
    b.output(b.node("LayerNormalization", {x, b.random("s", scale), b.random("b", scale)}, "y", {{"axis", axis}}));
    expect_as_interpreted(b);
  }
}

// ---- shapes that depend on data -----------------------------------------------------------------------------------

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

TEST(Resizes, BilinearUpAndDownInBothLayouts) {
  for (const char* transform : {"half_pixel", "align_corners", "asymmetric"}) {
    for (const Ints& size : {Ints{13, 17}, Ints{5, 4}, Ints{7, 30}, Ints{1, 1}}) {
      for (const int64_t channels : {3, 20}) {
        GraphBuilder b(17);
        const auto x = conv(b, b.input("x", {2, 3, 9, 8}), 3, channels, "x1");
        const auto sizes = b.constant("sizes", ints({2, channels, size[0], size[1]}));
        b.output(b.node("Resize", {x, ir::kNoValue, ir::kNoValue, sizes}, "y",
                        {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string(transform)}}));
        SCOPED_TRACE(format("{} {}x{} channels {}", transform, size[0], size[1], channels));
        expect_as_interpreted(b);
      }
    }
  }
}

// Small images have a kernel of their own where the vectors are wide.
TEST(PointwiseLayers, OnSmallImagesWithEveryActivation) {
  for (const char* activation : {"", "Relu", "Clip", "Silu"}) {
    for (const auto& [in, out] : std::vector<std::pair<int64_t, int64_t>>{{8, 16}, {17, 40}, {96, 33}, {40, 1}}) {
      for (const int64_t size : {1, 7, 8}) {
        GraphBuilder b(17);
        auto y = conv(b, b.input("x", {2, in, size, size}), in, out, "y", 1);
        if (std::string(activation) == "Relu") y = b.node("Relu", {y}, "z");
        if (std::string(activation) == "Clip") y = b.node("Clip", {y, b.scalar(-0.1f), b.scalar(0.4f)}, "z");
        if (std::string(activation) == "Silu") y = b.node("Mul", {y, b.node("Sigmoid", {y}, "gate")}, "z");
        b.output(y);
        SCOPED_TRACE(format("{} {} -> {} at {}", activation, in, out, size));
        expect_as_interpreted(b);
      }
    }
  }
}

TEST(DataDependentShapes, NonZeroRuns) {
  GraphBuilder b;
  const auto x = conv(b, b.input("x", {1, 3, 4, 4}), 3, 16, "x1");
  const auto positive = b.node("Relu", {x}, "positive");
  const auto where = b.node("NonZero", {positive}, "where");
  b.output(b.node("Transpose", {where}, "rows", {{"perm", Ints{1, 0}}}));
  b.output(positive);
  expect_as_interpreted(b);
}

// The shape of `count` is known although its input's is not.
TEST(DataDependentShapes, StaticValuesBehindDynamicOnes) {
  GraphBuilder b;
  const auto x = b.input("x", {3, 4});
  const auto where = b.node("NonZero", {b.node("Relu", {x}, "positive")}, "where");
  const auto floats = b.node("Cast", {where}, "floats", {{"to", int64_t{1}}});
  const auto total = b.node("ReduceSum", {floats}, "total", {{"keepdims", int64_t{0}}});
  b.output(b.node("Mul", {total, b.scalar(0.5f)}, "half"));
  const auto fixed = b.node("Reshape", {b.node("Concat", {floats, floats}, "pair", {{"axis", int64_t{0}}}),
                                        b.constant("s", ints({4, -1}))}, "fixed");
  b.output(b.node("Shape", {fixed}, "shape"));
  expect_as_interpreted(b);
}

TEST(DataDependentShapes, FixedReshapeOfADynamicValue) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 6});
  const auto kept = b.node("Compress", {x, b.constant("mask", Tensor::from<bool>(Shape{6}, {true, false, true, true, false, true}))}, "kept");
  const auto fixed = b.node("Reshape", {kept, b.constant("s", ints({2, 2}))}, "fixed");
  b.output(b.node("Relu", {fixed}, "y"));
  expect_as_interpreted(b, {fixed});
}

// ---- sessions ---------------------------------------------------------------------------------------------------

ErrorCode code_of(const std::function<void()>& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(Sessions, WrongInputsAreRefusedByName) {
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("picture", {1, 3})}, "y"));
  Session session = Executor(b.build().graph, {}).new_session();
  std::string text;
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({Tensor(DType::kFloat32, {1, 4})}); }, &text));
  EXPECT_NE(std::string::npos, text.find("picture")) << text;
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({Tensor(DType::kInt64, {1, 3})}); }));
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({}); }));
  EXPECT_EQ(1u, session.run({Tensor(DType::kFloat32, {1, 3})}).size());
}

TEST(Sessions, OutputsStayWhenTheSessionRunsAgain) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 4, 4});
  b.output(conv(b, x, 16, 16, "y"));
  b.output(b.node("Identity", {x}, "same"));
  const ir::Graph graph = b.build().graph;
  Session session = Executor(graph, {}).new_session();
  auto inputs = random_inputs(graph, 1);
  const auto first = session.run(inputs);
  const Tensor kept = first[0].clone(), same = first[1].clone();
  for (float& value : inputs[0].mutable_data<float>()) value = 9.0f;
  (void)session.run(inputs);
  EXPECT_TRUE(kept.identical(first[0]));
  EXPECT_TRUE(same.identical(first[1]));
}

TEST(Layouts, SpansHoldEveryElementOnceWithoutPadding) {
  for (const int64_t channels : {3, 8, 16, 20}) {
    for (const int64_t block : {1, 8, 16}) {
      const Tensor plain = random_tensor({2, channels, 3, 2}, 3);
      const Layout layout{block};
      std::vector<float> memory(static_cast<size_t>(physical_count(plain.shape(), layout)), 1e30f);
      copy_from_plain(plain.data<float>().data(), plain.shape(), layout, memory.data());
      const PhysicalView view{memory.data(), plain.shape(), layout};
      EXPECT_TRUE(plain.identical(to_tensor(view)));
      // Padding is poisoned: it must not be seen.
      std::vector<float> expected(plain.data<float>().begin(), plain.data<float>().end()), found;
      for_each_span(view, [&](std::span<const float> span) { found.insert(found.end(), span.begin(), span.end()); });
      std::sort(expected.begin(), expected.end());
      std::sort(found.begin(), found.end());
      EXPECT_EQ(expected, found) << channels << " channels in blocks of " << block;
      std::vector<std::vector<float>> by_channel(static_cast<size_t>(channels));
      for_each_channel_span(view, [&](int64_t c, std::span<const float> span) {
        auto& list = by_channel[static_cast<size_t>(c)];
        list.insert(list.end(), span.begin(), span.end());
      });
      for (int64_t c = 0; c < channels; ++c) {
        std::vector<float> want;
        for (int64_t n = 0; n < 2; ++n) {
          const auto* from = plain.data<float>().data() + (n * channels + c) * 6;
          want.insert(want.end(), from, from + 6);
        }
        EXPECT_EQ(want, by_channel[static_cast<size_t>(c)]);
      }
    }
  }
}

}  // namespace
}  // namespace qtool::exec::testing
