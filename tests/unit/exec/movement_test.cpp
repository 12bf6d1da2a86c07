// What concatenations and operators that move values must keep; random_graph_test covers their combinations.
#include "exec_fixture.h"
#include "qtool/support/format.h"

namespace qtool::exec::testing {
namespace {

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

}  // namespace
}  // namespace qtool::exec::testing
