// Passes that bring operators of many axes down to what backends have, and the recognition of pixel shuffles.
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "pass_fixture.h"
#include "split_permutation.h"

namespace qtool::passes::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;

constexpr size_t kMostAxes = 5;

std::vector<size_t> ranks(const ir::Graph& graph) {
  std::vector<size_t> list;
  for (const ir::ValueId id : graph.value_ids()) list.push_back(graph.type_of(id).shape.rank());
  return list;
}

// x -> Reshape(view) -> Transpose(perm) -> Reshape(result) -> y
ir::ValueId moved(GraphBuilder& b, ir::ValueId x, const Ints& view, const Ints& perm, const Ints& result, const std::string& name = "y") {
  const auto split = b.node("Reshape", {x, b.constant(name + ".view", ints(view))}, name + ".split");
  const auto transposed = b.node("Transpose", {split}, name + ".moved", {{"perm", perm}});
  return b.node("Reshape", {transposed, b.constant(name + ".shape", ints(result))}, name);
}

TEST(ReduceRank, AWindowPartitionIsOneTransposeOfFourAxes) {
  GraphBuilder b;
  b.output(b.node("Relu", {moved(b, b.input("x", {1, 6, 4, 8}), {1, 3, 2, 2, 2, 8}, {0, 1, 3, 2, 4, 5}, {6, 4, 8})}, "z"));
  const Outcome found = clean(b, 0.0);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Reshape", "Transpose", "Reshape", "Relu"));
  EXPECT_EQ(found.producer("y.moved").attr_ints("perm"), (Ints{0, 2, 1, 3}));
  EXPECT_EQ(found.graph().type_of(found.graph().find_value("y.split")).shape, (Shape{3, 2, 2, 16}));
  EXPECT_THAT(ranks(found.graph()), Each(Le(kMostAxes)));
}

TEST(ReduceRank, FiveAxesStayAsTheyAreWritten) {
  GraphBuilder b;
  b.output(moved(b, b.input("x", {1, 12, 4, 4}), {1, 3, 4, 4, 4}, {0, 1, 3, 4, 2}, {1, 48, 4}));
  EXPECT_EQ(run_pass(b, "reduce_rank_transpose").changes, 0);
}

TEST(ReduceRank, ThreeDimensionalWindowsTakeTwoTransposes) {
  GraphBuilder b;
  b.output(moved(b, b.input("x", {1, 4, 6, 4, 3}), {1, 2, 2, 3, 2, 2, 2, 3}, {0, 1, 3, 5, 2, 4, 6, 7}, {12, 8, 3}));
  const Outcome found = clean(b, 0.0);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Reshape", "Transpose", "Reshape", "Transpose", "Reshape"));
  EXPECT_THAT(ranks(found.graph()), Each(Le(kMostAxes)));
}

TEST(ReduceRank, OnlyAxesOfExtentOneMove) {
  GraphBuilder b;
  b.output(b.node("Transpose", {b.input("x", {1, 2, 1, 3, 1, 4})}, "y", {{"perm", Ints{1, 0, 3, 2, 5, 4}}}));
  EXPECT_THAT(op_types(run_pass(b, "reduce_rank_transpose", 0.0).graph()), ElementsAre("Reshape"));
}

// qkv of windows: [b, windows, n, 3, heads, d]
TEST(ReduceRank, AttentionInWindowsRunsOnFewAxes) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3, 4, 24});
  const auto split = b.node("Reshape", {x, b.constant("view", ints({2, 3, 4, 3, 2, 4}))}, "split");
  const auto qkv = b.node("Transpose", {split}, "qkv", {{"perm", Ints{3, 0, 1, 4, 2, 5}}});
  std::vector<ir::ValueId> parts;
  for (const int64_t i : {0, 1, 2}) {
    const std::string name = std::string(1, "qkv"[i]);
    parts.push_back(b.node("Gather", {qkv, b.constant(name + ".index", Tensor::scalar(i))}, name, {{"axis", int64_t{0}}}));
  }
  const auto k = b.node("Transpose", {parts[1]}, "kt", {{"perm", Ints{0, 1, 2, 4, 3}}});
  const auto scores = b.node("Softmax", {b.node("MatMul", {parts[0], k}, "qk")}, "scores", {{"axis", int64_t{-1}}});
  b.output(b.node("MatMul", {scores, parts[2]}, "y"));
  const Outcome found = clean(b);
  EXPECT_THAT(ranks(found.graph()), Each(Le(kMostAxes)));
}

TEST(ReduceRank, OperatorsThatTreatAxesAlikeAreMerged) {
  const Shape six{2, 1, 3, 2, 4, 2};
  struct Case { std::string op; std::vector<Shape> constants; Attributes attributes; std::vector<Tensor> lists; };
  const Case cases[] = {
      {"Relu", {}, {}, {}},
      {"Add", {{3, 1, 1, 2}}, {}, {}},
      {"Mul", {{2, 1, 1, 2, 1, 1}}, {}, {}},
      {"Sub", {{1}}, {}, {}},
      {"Softmax", {}, {{"axis", int64_t{-3}}}, {}},
      {"MatMul", {{3, 1, 2, 5}}, {}, {}},
      {"Expand", {}, {}, {ints({2, 3, 3, 2, 4, 2})}},
      {"Slice", {}, {}, {ints({1}), ints({3}), ints({4})}},
      {"Gather", {}, {{"axis", int64_t{2}}}, {ints({2, 0})}},
      {"Gather", {}, {{"axis", int64_t{-1}}}, {Tensor::scalar(int64_t{1})}},
      {"ReduceMean", {}, {{"axes", Ints{-1, 3, 4}}}, {}},
      {"ReduceMax", {}, {{"axes", Ints{2, 3}}, {"keepdims", int64_t{0}}}, {}},
      {"Tile", {}, {}, {ints({1, 2, 1, 1, 3, 1})}},
      {"LayerNormalization", {{2}, {2}}, {{"axis", int64_t{-1}}}, {}},
      {"Concat", {{2, 1, 3, 3, 4, 2}}, {{"axis", int64_t{3}}}, {}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.op);
    GraphBuilder b(17);
    std::vector<ir::ValueId> inputs{b.node("Reshape", {b.input("x", {96}), b.constant("six", ints(six.dims()))}, "in")};
    for (const Shape& shape : test.constants) inputs.push_back(b.random(b.graph().unique_name("c"), shape));
    for (const Tensor& list : test.lists) inputs.push_back(b.constant(b.graph().unique_name("list"), list));
    const auto wide = b.node(test.op, inputs, "wide", test.attributes);
    b.output(b.node("Reshape", {wide, b.constant("flat", ints({-1}))}, "y"));
    const Outcome found = clean(b, 1e-6);
    for (const ir::NodeId id : found.graph().node_ids()) {
      const ir::Node& node = found.graph().node(id);
      EXPECT_LE(found.graph().type_of(node.outputs[0]).shape.rank(), kMostAxes) << node.text();
    }
  }
}

TEST(ReduceRank, SplitKeepsItsOutputs) {
  GraphBuilder b;
  const auto six = b.node("Reshape", {b.input("x", {96}), b.constant("six", ints({2, 1, 4, 2, 3, 2}))}, "in");
  const auto parts = b.nodes("Split", {six, b.constant("sizes", ints({1, 3}))}, {"a", "b"}, {{"axis", int64_t{2}}});
  for (const auto part : parts) b.output(part);
  const Outcome found = run_pass(b, "reduce_rank", 0.0);
  EXPECT_EQ(found.changes, 1);
  EXPECT_EQ(found.graph().type_of(found.graph().find_value("b")).shape, (Shape{2, 1, 3, 2, 3, 2}));
}

TEST(ReduceRank, WhatTreatsAxesApartStays) {
  GraphBuilder b;
  const auto six = b.node("Reshape", {b.input("x", {96}), b.constant("six", ints({2, 1, 4, 2, 3, 2}))}, "in");
  b.output(b.node("ReduceMean", {six}, "y", {{"axes", Ints{0, 2}}}));
  EXPECT_EQ(run_pass(b, "reduce_rank").changes, 0);
}

std::vector<int> permuted(const std::vector<int>& values, const std::vector<int64_t>& dims, const std::vector<int64_t>& perm) {
  const std::vector<int64_t> strides = Shape(dims).strides(), target = permuted_dims(dims, perm);
  const std::vector<int64_t> target_strides = Shape(target).strides();
  std::vector<int> result;
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t source = 0;
    for (size_t axis = 0; axis < perm.size(); ++axis) {
      source += static_cast<int64_t>(i) / target_strides[axis] % target[axis] * strides[static_cast<size_t>(perm[axis])];
    }
    result.push_back(values[static_cast<size_t>(source)]);
  }
  return result;
}

TEST(SplitPermutation, EveryOrderOfSevenAxesIsReachedInThreeStepsOfFive) {
  const Shape dims{2, 3, 2, 2, 2, 3, 2};
  std::vector<int> values(static_cast<size_t>(dims.element_count()));
  std::iota(values.begin(), values.end(), 0);
  std::vector<int64_t> perm(dims.rank());
  std::iota(perm.begin(), perm.end(), int64_t{0});
  for (int count = 0; std::ranges::next_permutation(perm).found; ++count) {
    if (count % 37 != 0) continue;  // a sample of the 5039
    std::vector<int> found = values;
    const auto steps = split_permutation(reduce_permutation({dims, perm}), kMostAxes);
    ASSERT_THAT(steps.size(), Le(3u));
    for (const ReducedPermutation& step : steps) {
      ASSERT_THAT(step.dims.size(), Le(kMostAxes));
      found = permuted(found, step.dims, step.perm);
    }
    ASSERT_EQ(found, permuted(values, dims.dims(), perm));
  }
}

TEST(RecogniseDepthToSpace, BothOrdersInBothDirections) {
  struct Case { Shape x; Ints view, perm, result; std::string op, mode; };
  const Case cases[] = {
      {{1, 18, 4, 5}, {1, 2, 3, 3, 4, 5}, {0, 1, 4, 2, 5, 3}, {1, 2, 12, 15}, "DepthToSpace", "CRD"},
      {{1, 18, 4, 5}, {2, 3, 3, 4, 5}, {0, 3, 1, 4, 2}, {1, 2, 12, 15}, "DepthToSpace", "CRD"},
      {{2, 18, 4, 5}, {2, 3, 3, 2, 4, 5}, {0, 3, 4, 1, 5, 2}, {2, 2, 12, 15}, "DepthToSpace", "DCR"},
      {{1, 2, 6, 4}, {1, 2, 3, 2, 2, 2}, {0, 3, 5, 1, 2, 4}, {1, 8, 3, 2}, "SpaceToDepth", "DCR"},
  };
  for (const Case& test : cases) {
    GraphBuilder b;
    b.output(moved(b, b.input("x", test.x), test.view, test.perm, test.result));
    const Outcome found = run_pass(b, "recognise_depth_to_space", 0.0);
    ASSERT_THAT(op_types(found.graph()), ElementsAre(test.op));
    EXPECT_EQ(found.producer("y").attr_string("mode", "DCR"), test.mode);
  }
}

TEST(RecogniseDepthToSpace, OtherMovementsStay) {
  struct Case { Ints view, perm, result; };
  for (const Case& test : {Case{{1, 2, 3, 2, 2, 2}, {0, 1, 3, 5, 2, 4}, {1, 8, 3, 2}},    // channels in front of the blocks: no such ONNX operator
                           Case{{1, 2, 6, 4, 1, 1}, {0, 1, 3, 2, 4, 5}, {1, 2, 4, 6}}}) {
    GraphBuilder b;
    b.output(moved(b, b.input("x", {1, 2, 6, 4}), test.view, test.perm, test.result));
    EXPECT_EQ(run_pass(b, "recognise_depth_to_space").changes, 0);
  }
}

TEST(RecogniseDepthToSpace, NotWhereTheTransposedTensorIsRead) {
  GraphBuilder b;
  b.output(moved(b, b.input("x", {1, 18, 4, 5}), {1, 2, 3, 3, 4, 5}, {0, 1, 4, 2, 5, 3}, {1, 2, 12, 15}));
  b.output(b.graph().find_value("y.moved"));
  EXPECT_EQ(run_pass(b, "recognise_depth_to_space").changes, 0);
}

}  // namespace
}  // namespace qtool::passes::testing
