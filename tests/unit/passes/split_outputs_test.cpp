#include "qtool/passes/split_outputs.h"

#include <gmock/gmock.h>

#include "pass_fixture.h"
#include "qtool/support/error.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// boxes and scores joined, and a second output that nothing joins.
model::ModelState detector(bool scores_are_an_output = false) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 8});
  const auto boxes = b.node("Mul", {x, b.scalar(640.0f)}, "boxes");
  const auto scores = b.node("Sigmoid", {x}, "scores");
  b.output(b.node("Concat", {boxes, scores}, "joined", {{"axis", int64_t{1}}}));
  b.output(scores_are_an_output ? scores : b.node("Relu", {x}, "other"));
  return b.build();
}

std::vector<std::string> outputs(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::ValueId id : graph.outputs) names.push_back(graph.value(id).name);
  return names;
}

std::string refusal(model::ModelState state, const std::vector<std::string>& wanted) {
  try {
    (void)split_outputs(state.graph, wanted);
  } catch (const Error& error) {
    EXPECT_EQ(ErrorCode::kUsage, error.code());
    EXPECT_EQ(2u, state.graph.outputs.size());
    return error.what();
  }
  return {};
}

TEST(SplitOutputs, ThePartsTakeThePlaceOfTheOutput) {
  for (const char* wanted : {"joined", "all"}) {
    model::ModelState state = detector();
    const std::vector<SplitOutput> splits = split_outputs(state.graph, {wanted});
    ASSERT_EQ(1u, splits.size());
    EXPECT_EQ("joined", splits[0].output);
    EXPECT_THAT(splits[0].parts, ElementsAre("boxes", "scores"));
    EXPECT_THAT(outputs(state.graph), ElementsAre("boxes", "scores", "other"));
    EXPECT_THAT(op_types(state.graph), ::testing::Not(::testing::Contains("Concat")));
    EXPECT_TRUE(state.graph.verify().empty());
  }
}

TEST(SplitOutputs, OthersAreRefusedWithThoseThatCanBe) {
  EXPECT_THAT(refusal(detector(), {"other"}), HasSubstr("not a Concat; outputs that can be split: joined"));
  EXPECT_THAT(refusal(detector(), {"boxes"}), HasSubstr("no such output (its outputs: joined, other)"));
  EXPECT_THAT(refusal(detector(true), {"joined"}), HasSubstr("'scores' would be an output twice"));
  EXPECT_THAT(refusal(detector(true), {"all"}), HasSubstr("outputs that can be split: none"));
}

}  // namespace
}  // namespace qtool::passes::testing
