#include "qtool/eval/output_blocks.h"

#include <gtest/gtest.h>

namespace qtool::eval {
namespace {

// [1, 3, 2]: one row in hundreds, two below 1.
const Tensor kHead = Tensor::from<float>({1, 3, 2}, {640, 320, 0.5f, 0.25f, 0.125f, 1});

TEST(OutputBlocksTest, RowsOfOtherMagnitudeAreMeasuredApart) {
  const auto blocks = find_output_blocks({"head"}, {{kHead}});
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].name, "head[large rows]");
  EXPECT_EQ(blocks[1].rows, (std::vector<bool>{false, true, true}));
  const Tensor dead = Tensor::from<float>({1, 3, 2}, {640, 320, 0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(block_sums(blocks[1], kHead, dead).sqnr_db(), 0.0);
  EXPECT_EQ(block_sums(blocks[0], kHead, dead).noise_power, 0.0);
  EXPECT_EQ(block_sums(blocks[1], kHead, dead).elements, 4);
}

TEST(OutputBlocksTest, OrdinaryOutputsStayWhole) {
  const auto blocks = find_output_blocks({"logits"}, {{Tensor::from<float>({1, 4}, {100, 0.1f, 2, 3})}});
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].name, "logits");
  EXPECT_EQ(blocks[0].axis, -1);
}

TEST(OutputBlocksTest, OutputsOfAnotherShapeAddNothing) {
  const auto blocks = find_output_blocks({"boxes"}, {{Tensor(DType::kFloat32, {2, 4})}});
  EXPECT_EQ(block_sums(blocks[0], Tensor(DType::kFloat32, {2, 4}), Tensor(DType::kFloat32, {3, 4})).elements, 0);
}

}  // namespace
}  // namespace qtool::eval
