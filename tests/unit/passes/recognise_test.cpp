// Activations and normalizations that are spelled out.
#include <gmock/gmock.h>

#include <functional>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::Contains;

TEST(RecogniseGelu, EveryOrderOfFactorsAndBothScalings) {
  for (const bool divides : {false, true}) {
    for (int order = 0; order < 5; ++order) {
      GraphBuilder b;
      const auto x = b.input("x", {2, 50});
      const auto t = divides ? b.node("Div", {x, b.scalar(1.4142135f)}, "t") : b.node("Mul", {b.scalar(0.70710677f), x}, "t");
      const auto gate = b.node("Add", {b.node("Erf", {t}, "e"), b.scalar(1.0f)}, "g");
      const auto half = b.scalar(0.5f);
      switch (order) {
        case 0: b.output(b.node("Mul", {b.node("Mul", {x, gate}, "m"), half}, "y")); break;
        case 1: b.output(b.node("Mul", {x, b.node("Mul", {gate, half}, "m")}, "y")); break;
        case 2: b.output(b.node("Mul", {b.node("Mul", {half, x}, "m"), gate}, "y")); break;
        case 3: b.output(b.node("Mul", {gate, b.node("Mul", {x, half}, "m")}, "y")); break;
        default: b.output(b.node("Div", {b.node("Mul", {gate, x}, "m"), b.scalar(2.0f)}, "y"));
      }
      const Outcome found = run_pass(b, "recognise_gelu");
      EXPECT_THAT(op_types(found.graph()), ElementsAre("Gelu")) << divides << order;
      EXPECT_EQ(found.producer("y").opset, 20);
    }
  }
}

TEST(RecogniseGelu, TheTanhForm) {
  for (const bool power : {false, true}) {
    GraphBuilder b;
    const auto x = b.input("x", {2, 50});
    const auto cube = power ? b.node("Pow", {x, b.scalar(3.0f)}, "p") : b.node("Mul", {b.node("Mul", {x, x}, "xx"), x}, "p");
    const auto sum = b.node("Add", {x, b.node("Mul", {cube, b.scalar(0.044715f)}, "c")}, "s");
    const auto tanh = b.node("Tanh", {b.node("Mul", {sum, b.scalar(0.7978845608f)}, "a")}, "t");
    const auto gate = b.node("Add", {tanh, b.scalar(1.0f)}, "g");
    b.output(b.node("Mul", {b.node("Mul", {x, b.scalar(0.5f)}, "h"), gate}, "y"));
    const Outcome found = run_pass(b, "recognise_gelu");
    EXPECT_THAT(op_types(found.graph()), ElementsAre("Gelu"));
    EXPECT_EQ(found.producer("y").attr_string("approximate", ""), "tanh");
  }
}

TEST(RecogniseGelu, AnotherFactorOrReaderIsNone) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 50});
  const auto e = b.node("Erf", {b.node("Div", {x, b.scalar(1.4142135f)}, "t")}, "e");
  const auto gate = b.node("Add", {e, b.scalar(1.0f)}, "g");
  b.output(b.node("Mul", {b.node("Mul", {x, gate}, "m"), b.scalar(0.6f)}, "y"));
  EXPECT_EQ(run_pass(b, "recognise_gelu").changes, 0);
  b.output(e);
  EXPECT_EQ(run_pass(b, "recognise_gelu").changes, 0);
}

struct LayerNormCase {
  bool square_by_pow = true, gamma = true, beta = true;
  Ints axes{-1};
  Shape parameter{6};
};

ir::ValueId spell_layer_norm(GraphBuilder& b, ir::ValueId x, const LayerNormCase& test) {
  const Attributes mean{{"axes", test.axes}, {"keepdims", int64_t{1}}};
  const auto d = b.node("Sub", {x, b.node("ReduceMean", {x}, "mean", mean)}, "d");
  const auto square = test.square_by_pow ? b.node("Pow", {d, b.scalar(2.0f)}, "sq") : b.node("Mul", {d, d}, "sq");
  const auto variance = b.node("Add", {b.node("ReduceMean", {square}, "var", mean), b.scalar(1e-3f)}, "eps");
  auto y = b.node("Div", {d, b.node("Sqrt", {variance}, "root")}, "norm");
  if (test.gamma) y = b.node("Mul", {y, b.random("gamma", test.parameter)}, "scaled");
  if (test.beta) y = b.node("Add", {b.random("beta", test.parameter), y}, "y");
  return y;
}

TEST(RecogniseLayerNorm, EverySpelling) {
  for (const LayerNormCase& test : {LayerNormCase{}, LayerNormCase{.square_by_pow = false}, LayerNormCase{.beta = false},
                                    LayerNormCase{.gamma = false, .beta = false}, LayerNormCase{.gamma = false},
                                    LayerNormCase{.parameter = {1, 1, 6}},
                                    LayerNormCase{.axes = {2, 1}, .parameter = {5, 6}}}) {
    GraphBuilder b;
    b.output(spell_layer_norm(b, b.input("x", {2, 5, 6}), test));
    EXPECT_THAT(op_types(run_pass(b, "recognise_layer_norm").graph()), ElementsAre("LayerNormalization"));
  }
}

TEST(RecogniseLayerNorm, ParametersKeepTheirNames) {
  GraphBuilder b;
  b.output(spell_layer_norm(b, b.input("x", {2, 5, 6}), {}));
  const Outcome found = run_pass(b, "recognise_layer_norm");
  EXPECT_EQ(found.graph().value(found.producer("y").inputs[1]).name, "gamma");
  EXPECT_EQ(found.graph().value(found.producer("y").inputs[2]).name, "beta");
}

TEST(RecogniseLayerNorm, MeansOverOtherAxesStay) {
  GraphBuilder b;
  b.output(spell_layer_norm(b, b.input("x", {2, 5, 6}), {.axes = {1}, .parameter = {5, 1}}));
  EXPECT_EQ(run_pass(b, "recognise_layer_norm").changes, 0);
}

TEST(RecogniseLayerNorm, ADistanceComputedTwice) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 5, 6});
  const Attributes axes{{"axes", Ints{-1}}};
  const auto mean = b.node("ReduceMean", {x}, "mean", axes);
  const auto d1 = b.node("Sub", {x, mean}, "d1"), d2 = b.node("Sub", {x, mean}, "d2");
  const auto variance = b.node("ReduceMean", {b.node("Pow", {d1, b.scalar(2.0f)}, "sq")}, "var", axes);
  const auto root = b.node("Sqrt", {b.node("Add", {variance, b.scalar(1e-5f)}, "eps")}, "root");
  b.output(b.node("Div", {d2, root}, "y"));
  EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("LayerNormalization"));
}

TEST(RecogniseHardSigmoid, EverySpelling) {
  for (const bool by_relu : {false, true}) {
    for (const bool divides : {false, true}) {
      GraphBuilder b;
      const auto x = b.input("x", {2, 50});
      const auto sum = b.node("Add", {b.scalar(3.0f), x}, "s");
      const auto clip = by_relu ? b.node("Min", {b.node("Relu", {sum}, "r"), b.scalar(6.0f)}, "c")
                                : b.node("Clip", {sum, b.scalar(0.0f), b.scalar(6.0f)}, "c");
      b.output(divides ? b.node("Div", {clip, b.scalar(6.0f)}, "y") : b.node("Mul", {clip, b.scalar(1.0f / 6.0f)}, "y"));
      EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("HardSigmoid"));
    }
  }
}

TEST(RecogniseHardSwish, EverySpelling) {
  for (int order = 0; order < 4; ++order) {
    GraphBuilder b;
    const auto x = b.input("x", {2, 50});
    if (order == 3) {
      const auto gate = b.node("HardSigmoid", {x}, "h", {{"alpha", 1.0f / 6.0f}, {"beta", 0.5f}});
      b.output(b.node("Mul", {gate, x}, "y"));
    } else {
      const auto clip = b.node("Clip", {b.node("Add", {x, b.scalar(3.0f)}, "s"), b.scalar(0.0f), b.scalar(6.0f)}, "c");
      if (order == 0) b.output(b.node("Div", {b.node("Mul", {x, clip}, "m"), b.scalar(6.0f)}, "y"));
      if (order == 1) b.output(b.node("Mul", {x, b.node("Div", {clip, b.scalar(6.0f)}, "m")}, "y"));
      if (order == 2) b.output(b.node("Mul", {b.node("Mul", {x, clip}, "m"), b.scalar(0.16666667f)}, "y"));
    }
    EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("HardSwish")) << order;
  }
}

TEST(RecogniseHardSwish, BehindAConvolutionTheThreeIsNoBias) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 2, 4, 4}), b.random("w", {3, 2, 1, 1})}, "conv");
  const auto clip = b.node("Clip", {b.node("Add", {conv, b.scalar(3.0f)}, "s"), b.scalar(0.0f), b.scalar(6.0f)}, "c");
  b.output(b.node("Div", {clip, b.scalar(6.0f)}, "y"));
  EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("Conv", "HardSigmoid"));
}

TEST(RecogniseHardSwish, OtherLimitsAreNone) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 50});
  const auto clip = b.node("Clip", {b.node("Add", {x, b.scalar(2.0f)}, "s"), b.scalar(0.0f), b.scalar(6.0f)}, "c");
  b.output(b.node("Div", {b.node("Mul", {x, clip}, "m"), b.scalar(6.0f)}, "y"));
  EXPECT_THAT(op_types(clean(b).graph()), Not(Contains("HardSwish")));
}

TEST(RecogniseMish, BothSpellingsOfSoftplus) {
  for (const bool logarithm : {false, true}) {
    GraphBuilder b;
    const auto x = b.input("x", {2, 50});
    const auto softplus = logarithm ? b.node("Log", {b.node("Add", {b.node("Exp", {x}, "e"), b.scalar(1.0f)}, "a")}, "s")
                                    : b.node("Softplus", {x}, "s");
    b.output(b.node("Mul", {x, b.node("Tanh", {softplus}, "t")}, "y"));
    EXPECT_THAT(op_types(run_pass(b, "recognise_mish").graph()), ElementsAre("Mish"));
  }
}

TEST(Cleanup, SigmoidTimesItsInputStays) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 50});
  b.output(b.node("Mul", {x, b.node("Sigmoid", {x}, "s")}, "y"));
  EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("Sigmoid", "Mul"));
}

}  // namespace
}  // namespace qtool::passes::testing
