#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

Outcome run(const std::string& equation, const Shape& first, const Shape& second) {
  GraphBuilder b;
  const auto x = b.input("x", first), z = b.input("z", second);
  b.output(b.node("Einsum", {x, z}, "y", {{"equation", equation}}));
  return run_pass(b, "rewrite_einsum");
}

TEST(RewriteEinsum, AttentionBecomesMatMul) {
  EXPECT_THAT(op_types(run("bhid,bhjd->bhij", {2, 3, 4, 5}, {2, 3, 6, 5}).graph()), ElementsAre("Transpose", "MatMul"));
  EXPECT_THAT(op_types(run("b h i j, b h j d -> b h i d", {2, 3, 4, 5}, {2, 3, 5, 6}).graph()), ElementsAre("MatMul"));
  EXPECT_THAT(op_types(run("ik,kj->ij", {4, 5}, {5, 6}).graph()), ElementsAre("MatMul"));
}

TEST(RewriteEinsum, AxesInAnyOrderAreTransposed) {
  EXPECT_THAT(op_types(run("nchw,nkc->nhkw", {2, 5, 3, 4}, {2, 6, 5}).graph()), ElementsAre("Einsum")) << "two axes of rows";
  EXPECT_THAT(op_types(run("kbi,jbk->jib", {5, 2, 4}, {6, 2, 5}).graph()), ElementsAre("Transpose", "Transpose", "MatMul", "Transpose"));
}

TEST(RewriteEinsum, OtherSumsStay) {
  EXPECT_EQ(run("bij,bij->bi", {2, 3, 4}, {2, 3, 4}).changes, 0) << "no column";
  EXPECT_EQ(run("bij,bjk->bi", {2, 3, 4}, {2, 4, 5}).changes, 0) << "a letter that only one operand has is summed";
  EXPECT_EQ(run("ii,ij->ij", {3, 3}, {3, 4}).changes, 0) << "a diagonal";
  EXPECT_EQ(run("...ij,...jk->...ik", {2, 3, 4}, {2, 4, 5}).changes, 0) << "an ellipsis";
  EXPECT_EQ(run("bij,bjk->bik", {1, 3, 4}, {2, 4, 5}).changes, 0) << "a stretched batch";
}

}  // namespace
}  // namespace qtool::passes::testing
