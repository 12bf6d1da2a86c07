#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::Pointwise;
using Ints = std::vector<int64_t>;

TEST(MaxPool, CeilModeDropsWindowsThatStartInThePadding) {
  // 3 + 2 pads, kernel 2, stride 3: ceil gives 2 windows, at -1 and 2. With 2 inputs the second would start at 2,
  // behind the input, and is dropped.
  NodeCase test{.op = "MaxPool",
                .attributes = {{"kernel_shape", Ints{2}}, {"strides", Ints{3}}, {"pads", Ints{1, 1}}, {"ceil_mode", int64_t{1}}},
                .inputs = {floats({1, 1, 3}, {1, 2, 3})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1, 3));
  test.inputs = {floats({1, 1, 2}, {1, 2})};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(1));
}

TEST(MaxPool, ReportsIndicesOfBothStorageOrders) {
  NodeCase test{.op = "MaxPool", .attributes = {{"kernel_shape", Ints{2, 2}}},
                .inputs = {floats({1, 2, 2, 3}, {1, 5, 2, 3, 4, 6, 9, 0, 0, 0, 0, 7})}, .outputs = 2};
  const std::vector<Tensor> rows = run_all(test);
  EXPECT_THAT(values<float>(rows[0]), ElementsAre(5, 6, 9, 7));
  EXPECT_THAT(values<int64_t>(rows[1]), ElementsAre(1, 5, 6, 11));
  test.attributes["storage_order"] = int64_t{1};
  // Column-major in each plane: (row, column) -> row + 2 * column.
  EXPECT_THAT(values<int64_t>(run_all(test)[1]), ElementsAre(2, 5, 6, 11));
}

TEST(MaxPool, OfNegativeValuesIgnoresThePadding) {
  const Tensor y = run({.op = "MaxPool", .attributes = {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}},
                        .inputs = {floats({1, 1, 2}, {-5, -3})}});
  EXPECT_THAT(values<float>(y), ElementsAre(-3, -3));
}

TEST(MaxPool, TakesBytes) {
  const Tensor y = run({.op = "MaxPool", .attributes = {{"kernel_shape", Ints{2}}, {"dilations", Ints{2}}},
                        .inputs = {Tensor::from<uint8_t>({1, 1, 4}, {1, 200, 3, 4})}});
  EXPECT_THAT(values<uint8_t>(y), ElementsAre(3, 200));
}

TEST(AveragePool, CountsPaddingWhenAsked) {
  NodeCase test{.op = "AveragePool", .attributes = {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}},
                .inputs = {floats({1, 1, 2}, {3, 6})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(4.5f, 4.5f));
  test.attributes["count_include_pad"] = int64_t{1};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(3, 3));
}

TEST(AveragePool, CeilModeDividesByWhatLiesInThePaddedInput) {
  // Windows at 0 and 2 of kernel 3 over 4 values: the last one hangs over by one, which never counts.
  NodeCase test{.op = "AveragePool", .opset = 19,
                .attributes = {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}},
                               {"count_include_pad", int64_t{1}}},
                .inputs = {floats({1, 1, 4}, {1, 2, 3, 5})}};
  EXPECT_THAT(values<float>(run(test)), ElementsAre(2, 4));
}

TEST(AveragePool, Dilates) {
  const Tensor y = run({.op = "AveragePool", .opset = 19, .attributes = {{"kernel_shape", Ints{2}}, {"dilations", Ints{2}}},
                        .inputs = {floats({1, 1, 4}, {1, 2, 3, 6})}});
  EXPECT_THAT(values<float>(y), ElementsAre(2, 4));
}

TEST(LpPool, TakesTheNorm) {
  const Tensor y = run({.op = "LpPool", .attributes = {{"kernel_shape", Ints{2}}}, .inputs = {floats({1, 1, 2}, {3, -4})}});
  EXPECT_THAT(values<float>(y), ElementsAre(FloatEq(5)));
}

TEST(GlobalPools, KeepTheRank) {
  const Tensor x = floats({1, 2, 2, 1}, {1, 3, -4, -8});
  EXPECT_EQ(run({.op = "GlobalAveragePool", .inputs = {x}}).shape(), (Shape{1, 2, 1, 1}));
  EXPECT_THAT(values<float>(run({.op = "GlobalAveragePool", .inputs = {x}})), ElementsAre(2, -6));
  EXPECT_THAT(values<float>(run({.op = "GlobalMaxPool", .inputs = {x}})), ElementsAre(3, -4));
  EXPECT_THAT(values<float>(run({.op = "GlobalLpPool", .attributes = {{"p", int64_t{1}}}, .inputs = {x}})), ElementsAre(4, 12));
}

TEST(MaxUnpool, UndoesMaxPool) {
  const std::vector<Tensor> pooled =
      run_all({.op = "MaxPool", .attributes = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}},
               .inputs = {floats({1, 1, 2, 4}, {1, 8, 0, 0, 2, 3, 0, 5})}, .outputs = 2});
  const Tensor y = run({.op = "MaxUnpool", .attributes = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}},
                        .inputs = {pooled[0], pooled[1]}});
  EXPECT_THAT(values<float>(y), ElementsAre(0, 8, 0, 0, 0, 0, 0, 5));
}

TEST(Pools, RefuseMissingKernel) {
  EXPECT_THROW((void)run({.op = "MaxPool", .inputs = {floats({1, 1, 2}, {1, 2})}}), Error);
}

}  // namespace
}  // namespace qtool::ops::testing
