#include "qtool/optimize/synthetic_margin.h"

#include "unit/optimize/optimize_fixture.h"

namespace qtool::optimize {
namespace {

using namespace testing;  // NOLINT

calib::CalibrationResult saw_one(ir::ValueId id) {
  calib::CalibrationResult seen;
  seen.statistics[id].range = {-1.0, 3.0};
  seen.statistics[id].count = 1;
  return seen;
}

TEST(SyntheticMargin, WidensRangesAndLogitsMostButNoInputAndNoBound) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 8, 8});
  const auto inner = b.node("Conv", {x, b.random("w", {4, 3, 1, 1})}, "inner");
  const auto clipped = b.node("Clip", {inner, b.scalar(0.0f), b.scalar(6.0f)}, "clipped");
  const auto logits = b.node("Conv", {clipped, b.random("v", {2, 4, 1, 1})}, "logits");
  b.output(b.node("GlobalAveragePool", {logits}, "scores"));
  const model::ModelState state = b.build();
  calib::CalibrationResult seen;
  const auto saw = [&](ir::ValueId id, double lo, double hi) {
    seen.statistics[id].range = {lo, hi};
    seen.statistics[id].count = 1;
  };
  saw(x, -2.0, 2.0);
  saw(inner, -10.0, 20.0);
  saw(clipped, 0.0, 5.8);
  saw(logits, -1.0, 3.0);
  const calib::CalibrationResult wide = with_synthetic_margin(state.graph, seen);
  EXPECT_EQ(wide.statistics.at(x).range.hi, 2.0);
  EXPECT_NEAR(wide.statistics.at(inner).range.lo, -11.0, 1e-9);
  EXPECT_NEAR(wide.statistics.at(inner).range.hi, 22.0, 1e-9);
  EXPECT_EQ(wide.statistics.at(clipped).range.hi, 6.0);
  EXPECT_EQ(wide.statistics.at(logits).range.lo, -2.0);
  EXPECT_EQ(wide.statistics.at(logits).range.hi, 6.0);
}

// Boxes are as large as the picture, whatever it shows.
TEST(SyntheticMargin, DenseOutputsAreNotDoubled) {
  GraphBuilder b;
  const auto boxes = b.node("Conv", {b.input("x", {1, 3, 8, 8}), b.random("w", {4, 3, 1, 1})}, "boxes");
  b.output(boxes);
  const model::ModelState state = b.build();
  EXPECT_NEAR(with_synthetic_margin(state.graph, saw_one(boxes)).statistics.at(boxes).range.hi, 3.3, 1e-9);
}

}  // namespace
}  // namespace qtool::optimize
