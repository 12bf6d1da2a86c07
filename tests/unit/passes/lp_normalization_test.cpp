#include <gmock/gmock.h>

#include "pass_fixture.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

struct Spelling {
  bool clip = true, expand = true, keepdims = true;
  float epsilon = 1e-12f;
};

Outcome run(const Spelling& spelling, bool read_twice = false) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 3, 8});
  ir::ValueId length = b.node("ReduceL2", {x}, "length", {{"axes", Ints{-1}}, {"keepdims", int64_t{spelling.keepdims}}});
  if (read_twice) b.output(length);
  if (spelling.clip) length = b.node("Clip", {length, b.scalar(spelling.epsilon)}, "guarded");
  if (spelling.expand) length = b.node("Expand", {length, b.constant("extents", ints({2, 3, 8}))}, "expanded");
  b.output(b.node("Div", {x, length}, "y"));
  return run_pass(b, "recognise_lp_normalization");
}

TEST(RecogniseLpNormalization, WithAndWithoutGuardAndExpand) {
  for (const bool clip : {true, false}) {
    for (const bool expand : {true, false}) {
      const Outcome found = run({.clip = clip, .expand = expand});
      EXPECT_THAT(op_types(found.graph()), ElementsAre("LpNormalization"));
      EXPECT_EQ(found.producer("y").attr_int("axis", -1), 2);
      EXPECT_EQ(found.producer("y").attr_int("p", 0), 2);
    }
  }
}

TEST(RecogniseLpNormalization, AGuardThatChangesValuesStays) { EXPECT_EQ(run({.epsilon = 0.1f}).changes, 0); }

TEST(RecogniseLpNormalization, ALengthThatOthersReadStays) { EXPECT_EQ(run({}, true).changes, 0); }

}  // namespace
}  // namespace qtool::passes::testing
