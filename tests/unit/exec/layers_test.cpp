// What one layer with weights, a pool or a resize must keep; random_graph_test covers their combinations.
#include "exec_fixture.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {
namespace {

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

}  // namespace
}  // namespace qtool::exec::testing
