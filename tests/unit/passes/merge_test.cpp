// Passes that join neighbours: reshapes, transposes, casts, limits, padding, duplicates.
#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MergeReshapes, AChainBecomesOneReshape) {
  GraphBuilder b;
  const auto flat = b.node("Flatten", {b.input("x", {2, 3, 4, 1})}, "flat");
  const auto wide = b.node("Unsqueeze", {flat, b.constant("axes", ints({0, -1}))}, "wide");
  b.output(b.node("Squeeze", {wide, b.constant("last", ints({-1}))}, "y"));
  const Outcome found = run_pass(b, "merge_reshapes");
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Reshape"));
  EXPECT_EQ(found.graph().type_of(found.graph().find_value("y")).shape, (Shape{1, 2, 12}));
}

TEST(MergeReshapes, ThereAndBackDisappears) {
  GraphBuilder b;
  const auto flat = b.node("Flatten", {b.input("x", {2, 3, 4})}, "flat");
  const auto back = b.node("Reshape", {flat, b.constant("s", ints({2, 3, 4}))}, "back");
  b.output(b.node("Relu", {back}, "y"));
  b.output(b.node("Neg", {flat}, "z"));
  const auto types = op_types(clean(b).graph());
  EXPECT_THAT(types, ::testing::UnorderedElementsAre("Flatten", "Relu", "Neg"));
}

TEST(MergeTransposes, PermutationsCompose) {
  GraphBuilder b;
  const auto a = b.node("Transpose", {b.input("x", {2, 3, 4})}, "a", {{"perm", Ints{1, 2, 0}}});
  b.output(b.node("Transpose", {a}, "y"));  // reverses
  const Outcome found = run_pass(b, "merge_transposes");
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Transpose"));
  EXPECT_EQ(found.producer("y").attr_ints("perm"), (Ints{0, 2, 1}));
}

TEST(MergeTransposes, APairThatCancelsDisappears) {
  GraphBuilder b;
  const auto a = b.node("Transpose", {b.input("x", {2, 3, 4, 5})}, "a", {{"perm", Ints{0, 2, 3, 1}}});
  const auto c = b.node("Transpose", {a}, "c", {{"perm", Ints{0, 3, 1, 2}}});
  b.output(b.node("Relu", {c}, "y"));
  EXPECT_THAT(op_types(clean(b).graph()), ElementsAre("Relu"));
}

TEST(MergeCasts, OnlyWhereTheFirstLosesNothing) {
  constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11;
  struct Case { DType from; int64_t through, to; int64_t changes; };
  for (const Case& test : {Case{DType::kInt32, kInt64, kFloat, 1}, Case{DType::kFloat32, kDouble, kInt32, 1},
                           Case{DType::kFloat32, kInt32, kFloat, 0}, Case{DType::kInt64, kInt32, kInt64, 0},
                           Case{DType::kInt32, kFloat, kInt32, 0}, Case{DType::kUInt8, kFloat, kInt32, 1}}) {
    GraphBuilder b;
    const auto x = b.input("x", {2, 3}, test.from);
    b.output(b.node("Cast", {b.node("Cast", {x}, "a", {{"to", test.through}})}, "y", {{"to", test.to}}));
    EXPECT_EQ(run_pass(b, "merge_casts").changes, test.changes);
  }
}

TEST(MergeClamps, ReluAndSixInEverySpelling) {
  for (const int64_t opset : {9, 13}) {
    for (const std::string op : {"Clip", "Min"}) {
      GraphBuilder b(opset);
      const auto relu = b.node("Relu", {b.input("x", {2, 300})}, "relu");
      if (op == "Min") b.output(b.node("Min", {b.scalar(6.0f), relu}, "y"));
      else if (opset < 11) b.output(b.node("Clip", {relu}, "y", {{"min", -1.0f}, {"max", 6.0f}}));
      else b.output(b.node("Clip", {relu, ir::kNoValue, b.scalar(6.0f)}, "y"));
      const Outcome found = run_pass(b, "merge_clamps", 0.0);
      EXPECT_THAT(op_types(found.graph()), ElementsAre("Clip"));
      EXPECT_EQ(found.graph().constant(found.producer("y").inputs[1])->to_float().at(0), 0.0f);
      EXPECT_EQ(found.graph().constant(found.producer("y").inputs[2])->to_float().at(0), 6.0f);
    }
  }
}

TEST(MergeClamps, IntervalsThatDoNotMeet) {
  GraphBuilder b;
  const auto a = b.node("Clip", {b.input("x", {2, 300}), b.scalar(2.0f), b.scalar(3.0f)}, "a");
  b.output(b.node("Clip", {a, b.scalar(-1.0f), b.scalar(1.0f)}, "y"));
  EXPECT_EQ(run_pass(b, "merge_clamps", 0.0).changes, 1);
}

TEST(MergeClamps, AtLeastZeroIsRelu) {
  GraphBuilder b;
  const auto a = b.node("Max", {b.input("x", {2, 30}), b.scalar(0.0f)}, "a");
  b.output(b.node("Neg", {a}, "n"));
  b.output(b.node("Clip", {b.node("Neg", {a}, "m"), b.scalar(0.0f), b.scalar(std::numeric_limits<float>::max())}, "y"));
  EXPECT_THAT(op_types(run_pass(b, "merge_clamps", 0.0).graph()), ::testing::UnorderedElementsAre("Relu", "Neg", "Neg", "Relu"));
}

TEST(MergePad, ConvolutionsTakeItWhateverTheirOwnPadding) {
  for (const Attributes& attributes : {Attributes{}, Attributes{{"pads", Ints{1, 0, 2, 1}}, {"strides", Ints{2, 2}}},
                                       Attributes{{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}}}) {
    GraphBuilder b;
    const auto pad = b.node("Pad", {b.input("x", {1, 2, 7, 8}), b.constant("p", ints({0, 0, 1, 2, 0, 0, 3, 0}))}, "pad");
    b.output(b.node("Conv", {pad, b.random("w", {3, 2, 3, 3})}, "y", attributes));
    EXPECT_THAT(op_types(run_pass(b, "merge_pad").graph()), ElementsAre("Conv"));
  }
}

TEST(MergePad, AveragePoolsThatCountPadding) {
  struct Case { Attributes attributes; int64_t changes; };
  const Ints kernel{3, 3}, strides{2, 2};
  for (const Case& test :
       {Case{{{"kernel_shape", kernel}}, 1},
        Case{{{"kernel_shape", kernel}, {"strides", strides}, {"ceil_mode", int64_t{1}}}, 1},
        Case{{{"kernel_shape", kernel}, {"pads", Ints{1, 1, 1, 1}}, {"count_include_pad", int64_t{1}}}, 1},
        Case{{{"kernel_shape", kernel}, {"pads", Ints{1, 1, 1, 1}}}, 0},
        Case{{{"kernel_shape", Ints{1, 1}}, {"strides", strides}}, 0}}) {
    GraphBuilder b;
    const auto pad = b.node("Pad", {b.input("x", {1, 2, 7, 8}), b.constant("p", ints({0, 0, 1, 1, 0, 0, 1, 1}))}, "pad");
    b.output(b.node("AveragePool", {pad}, "y", test.attributes));
    EXPECT_EQ(run_pass(b, "merge_pad").changes, test.changes);
  }
}

TEST(MergePad, OtherPaddingStays) {
  struct Case { Ints pads; Attributes attributes; float value; };
  for (const Case& test : {Case{{0, 1, 0, 0, 0, 0, 0, 0}, {}, 0.0f}, Case{{0, 0, 1, 1, 0, 0, -1, 0}, {}, 0.0f},
                           Case{{0, 0, 1, 1, 0, 0, 1, 1}, {{"mode", std::string("reflect")}}, 0.0f},
                           Case{{0, 0, 1, 1, 0, 0, 1, 1}, {}, 1.0f}}) {
    GraphBuilder b;
    const auto pad = b.node("Pad", {b.input("x", {1, 2, 7, 8}), b.constant("p", ints(test.pads)), b.scalar(test.value)},
                            "pad", test.attributes);
    const int64_t channels = test.pads[1] == 1 ? 3 : 2;
    b.output(b.node("Conv", {pad, b.random("w", {3, channels, 3, 3})}, "y"));
    EXPECT_EQ(run_pass(b, "merge_pad").changes, 0);
  }
}

TEST(EliminateDuplicates, EqualNodesWithEqualConstantsMerge) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  const auto first = b.node("Reshape", {x, b.constant("s1", ints({3, 2}))}, "first");
  const auto second = b.node("Reshape", {x, b.constant("s2", ints({3, 2}))}, "second");
  b.output(b.node("Add", {b.node("Relu", {first}, "r1"), b.node("Relu", {second}, "r2")}, "y"));
  EXPECT_THAT(op_types(run_pass(b, "eliminate_duplicates").graph()), ElementsAre("Reshape", "Relu", "Add"));
}

TEST(EliminateDuplicates, AttributesDecide) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  b.output(b.node("LeakyRelu", {x}, "y", {{"alpha", 0.1f}}));
  b.output(b.node("LeakyRelu", {x}, "z", {{"alpha", 0.2f}}));
  EXPECT_EQ(run_pass(b, "eliminate_duplicates").changes, 0);
}

TEST(EliminateDuplicates, GraphOutputsKeepTheirNames) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  const auto inner = b.node("Relu", {x}, "inner");
  b.output(b.node("Relu", {x}, "y"));
  b.output(b.node("Neg", {inner}, "z"));
  EXPECT_THAT(op_types(run_pass(b, "eliminate_duplicates").graph()), ElementsAre("Relu", "Neg"));
  GraphBuilder both;
  const auto same = both.input("x", {2, 3});
  both.output(both.node("Relu", {same}, "y"));
  both.output(both.node("Relu", {same}, "z"));
  EXPECT_EQ(run_pass(both, "eliminate_duplicates").changes, 0);
}

TEST(EliminateDuplicates, EqualWeightsOfDifferentLayersStay) {
  GraphBuilder b;
  const Tensor weight = random_tensor({2, 2, 1, 1}, 3);
  const auto a = b.node("Conv", {b.input("x", {1, 2, 4, 4}), b.constant("w1", weight)}, "a");
  b.output(b.node("Conv", {a, b.constant("w2", weight)}, "y"));
  EXPECT_EQ(run_pass(b, "eliminate_duplicates").changes, 0);
}

TEST(EliminateDuplicates, EqualScalarsOfOneOperatorMergeOthersDoNot) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  const auto a = b.node("Mul", {x, b.scalar(0.5f)}, "a");
  const auto c = b.node("Mul", {a, b.scalar(0.5f)}, "c");
  b.output(b.node("Add", {c, b.scalar(0.5f)}, "y"));
  const Outcome found = run_pass(b, "eliminate_duplicates");
  EXPECT_EQ(found.producer("a").inputs[1], found.producer("c").inputs[1]);
  EXPECT_NE(found.producer("a").inputs[1], found.producer("y").inputs[1]);
}

TEST(FoldConstants, NodesOfConstantsDisappear) {
  GraphBuilder b;
  const auto sum = b.node("Add", {b.random("a", {3}), b.random("b", {3})}, "sum");
  b.output(b.node("Add", {b.input("x", {2, 3}), sum}, "y"));
  EXPECT_THAT(op_types(run_pass(b, "fold_constants").graph()), ElementsAre("Add"));
}

TEST(RemoveUnused, NodesThatNobodyReadsDisappear) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3});
  b.node("Neg", {b.node("Relu", {x}, "a")}, "b");
  b.output(b.node("Abs", {x}, "y"));
  EXPECT_EQ(run_pass(b, "remove_unused").changes, 2);
}

}  // namespace
}  // namespace qtool::passes::testing
