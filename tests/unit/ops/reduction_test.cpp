#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;

constexpr float kInf = std::numeric_limits<float>::infinity();
using Ints = std::vector<int64_t>;

TEST(ReduceSum, ReadsAxesFromTheAttributeBeforeOpset13) {
  // [[0,1,2],[3,4,5]]
  const Tensor y = run({.op = "ReduceSum", .opset = 11, .attributes = {{"axes", Ints{-1}}, {"keepdims", int64_t{0}}}, .inputs = {counting({2, 3})}});
  EXPECT_EQ(y.shape(), Shape{2});
  EXPECT_THAT(values<float>(y), ElementsAre(3, 12));
}

TEST(ReduceSum, ReadsAxesFromTheInputSinceOpset13) {
  const Tensor y = run({.op = "ReduceSum", .opset = 13, .inputs = {counting({2, 3}), ints({0})}});
  EXPECT_EQ(y.shape(), (Shape{1, 3}));
  EXPECT_THAT(values<float>(y), ElementsAre(3, 5, 7));
}

TEST(ReduceMean, KeepsTheAttributeUntilOpset18) {
  EXPECT_THAT(values<float>(run({.op = "ReduceMean", .opset = 17, .attributes = {{"axes", Ints{0}}}, .inputs = {counting({2, 2})}})), ElementsAre(1, 2));
  EXPECT_THAT(values<float>(run({.op = "ReduceMean", .opset = 18, .inputs = {counting({2, 2}), ints({0})}})), ElementsAre(1, 2));
}

TEST(ReduceSum, HasNoTypeWhileTheAxesAreUnknown) {
  EXPECT_FALSE(infer_without_values({.op = "ReduceSum", .inputs = {counting({2, 3}), ints({0})}})[0].has_value());
}

TEST(ReduceSum, EmptyAxesReduceEverythingOrNothing) {
  const Tensor x = counting({2, 2});
  EXPECT_EQ(run({.op = "ReduceSum", .inputs = {x, ints({})}}).shape(), (Shape{1, 1}));
  EXPECT_EQ(run({.op = "ReduceSum", .attributes = {{"noop_with_empty_axes", int64_t{1}}}, .inputs = {x, ints({})}}).shape(), (Shape{2, 2}));
}

TEST(ReduceSum, ReducesTwoAxesApart) {
  // [2,2,2] over axes 0 and 2: 0+1+4+5, 2+3+6+7
  EXPECT_THAT(values<float>(run({.op = "ReduceSum", .inputs = {counting({2, 2, 2}), ints({0, 2})}})), ElementsAre(10, 18));
}

TEST(ReduceSum, AccumulatesInDouble) {
  Tensor x(DType::kFloat32, {1 << 20});
  for (float& value : x.mutable_data<float>()) value = 0.1f;
  // In float the error of a running sum would be near 1e2.
  EXPECT_FLOAT_EQ(run({.op = "ReduceSum", .inputs = {x}}).data<float>()[0], static_cast<float>(0.1f * 1048576.0));
}

TEST(Reductions, OfNothingGiveTheNeutralElement) {
  const Tensor x(DType::kFloat32, {2, 0});
  const auto reduce = [&](const char* op) { return values<float>(run({.op = op, .opset = 20, .inputs = {x, ints({1})}})); };
  EXPECT_THAT(reduce("ReduceSum"), ElementsAre(0, 0));
  EXPECT_THAT(reduce("ReduceProd"), ElementsAre(1, 1));
  EXPECT_THAT(reduce("ReduceMax"), ElementsAre(-kInf, -kInf));
  EXPECT_THAT(reduce("ReduceMin"), ElementsAre(kInf, kInf));
  EXPECT_THAT(reduce("ReduceLogSumExp"), ElementsAre(-kInf, -kInf));
}

TEST(ReduceLogSumExp, DoesNotOverflow) {
  EXPECT_FLOAT_EQ(run({.op = "ReduceLogSumExp", .inputs = {floats({2}, {1000.0f, 1000.0f})}}).data<float>()[0], 1000.0f + std::log(2.0f));
}

TEST(ReduceMax, OfBools) {
  const Tensor x = Tensor::from<bool>({2, 2}, {false, true, false, false});
  EXPECT_THAT(values<bool>(run({.op = "ReduceMax", .opset = 20, .inputs = {x, ints({1})}})), ElementsAre(true, false));
}

TEST(ReduceSum, RefusesRepeatedAndOutOfRangeAxes) {
  const NodeCase twice{.op = "ReduceSum", .inputs = {counting({2, 2}), ints({1, -1})}};
  EXPECT_THROW((void)run(twice), Error);
  const NodeCase outside{.op = "ReduceSum", .inputs = {counting({2, 2}), ints({2})}};
  EXPECT_THROW((void)run(outside), Error);
}

TEST(ArgMax, TakesTheFirstOrTheLastOfEqualElements) {
  const Tensor x = floats({1, 4}, {1, 7, 7, 2});
  EXPECT_THAT(values<int64_t>(run({.op = "ArgMax", .attributes = {{"axis", int64_t{-1}}}, .inputs = {x}})), ElementsAre(1));
  EXPECT_THAT(values<int64_t>(run({.op = "ArgMax", .attributes = {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}}, .inputs = {x}})), ElementsAre(2));
}

TEST(CumSum, ExclusiveAndReverse) {
  const Attributes both{{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}};
  EXPECT_THAT(values<float>(run({.op = "CumSum", .attributes = both, .inputs = {floats({3}, {1, 2, 3}), Tensor::scalar<int64_t>(0)}})), ElementsAre(5, 3, 0));
}

TEST(TopK, OrdersEqualElementsByIndexAndNanFirst) {
  const Tensor x = floats({5}, {1, std::nanf(""), 3, 3, 0});
  const auto y = run_all({.op = "TopK", .inputs = {x, ints({4})}, .outputs = 2});
  EXPECT_THAT(values<int64_t>(y[1]), ElementsAre(1, 2, 3, 0));
}

TEST(TopK, ReadsKFromTheAttributeBeforeOpset10) {
  const auto y = run_all({.op = "TopK", .opset = 9, .attributes = {{"k", int64_t{1}}, {"axis", int64_t{0}}}, .inputs = {counting({3, 2})}, .outputs = 2});
  EXPECT_EQ(y[0].shape(), (Shape{1, 2}));
  EXPECT_THAT(values<int64_t>(y[1]), ElementsAre(2, 2));
}

TEST(Einsum, MatrixProductTraceAndBatchedEllipsis) {
  const auto einsum = [](const char* equation, std::vector<Tensor> inputs) {
    return run({.op = "Einsum", .attributes = {{"equation", std::string(equation)}}, .inputs = std::move(inputs)});
  };
  // [[0,1],[2,3]] squared: [[2,3],[6,11]]
  EXPECT_THAT(values<float>(einsum("ij,jk->ik", {counting({2, 2}), counting({2, 2})})), ElementsAre(2, 3, 6, 11));
  EXPECT_THAT(values<float>(einsum("ii", {counting({3, 3})})), ElementsAre(12));  // 0 + 4 + 8
  EXPECT_THAT(values<float>(einsum("ii->i", {counting({3, 3})})), ElementsAre(0, 4, 8));
  EXPECT_EQ(einsum("...ij,...jk->...ik", {counting({4, 2, 3}), counting({3, 5})}).shape(), (Shape{4, 2, 5}));
  EXPECT_THAT(values<float>(einsum("ab -> ba", {counting({2, 2})})), ElementsAre(0, 2, 1, 3));
}

}  // namespace
}  // namespace qtool::ops::testing
