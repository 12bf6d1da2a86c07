// Parts of the comparison page: what recipes share stands once.
#include "recipe_parts.h"

#include <gtest/gtest.h>

namespace qtool::pipeline {
namespace {

using Json = nlohmann::json;

TEST(RecipeTensors, KeepsWhatTheFirstRecipeHasAndTheDifferencesOfOthers) {
  RecipeTensors tensors;
  tensors.add("a", {{{"name", "x"}, {"bits", 8}, {"source", "min-max"}, {"clipped", 1.0}}, {{"name", "y"}, {"bits", 8}}});
  tensors.add("b", {{{"name", "x"}, {"bits", 16}, {"source", "min-max"}}, {{"name", "y"}, {"bits", 8}}});
  EXPECT_EQ(tensors.part(), Json::parse(R"([{"name": "x", "bits": 8, "source": "min-max", "clipped": 1.0, "by_recipe": {"b": {"bits": 16, "clipped": null}}},
                                             {"name": "y", "bits": 8}])"));
}

TEST(RecipeTensors, SaysWhereATensorIsMissing) {
  RecipeTensors tensors;
  tensors.add("a", {{{"name", "x"}}});
  tensors.add("b", {{{"name", "y"}}});
  tensors.add("c", {{{"name", "x"}}, {{"name", "y"}}});
  EXPECT_EQ(tensors.part(), Json::parse(R"([{"name": "x", "by_recipe": {"b": null}}, {"name": "y", "by_recipe": {"a": null}}])"));
}

TEST(RecipeTensors, ChannelRangesStandInTheFirstRecipeOnly) {
  RecipeTensors tensors;
  tensors.add("a", {{{"name", "w"}, {"channels", {1, 2}}}});
  tensors.add("b", {{{"name", "w"}, {"channels", {1, 3}}}});
  EXPECT_EQ(tensors.part()[0]["by_recipe"], Json::parse(R"({"b": {"channels": null}})"));
}

TEST(RecipeFindings, NamesTheRecipesOfEachFindingWorstFirst) {
  RecipeFindings findings;
  findings.add("a", {{.name = "x", .kind = "outliers", .cause = "mild", .severity = 2.0}, {.name = "y", .kind = "few levels", .severity = 1.0}});
  findings.add("b", {{.name = "x", .kind = "outliers", .cause = "bad", .severity = 9.0}});
  const Json part = findings.part(5);
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part[0]["cause"], "bad");
  EXPECT_EQ(part[0]["tone"], "bad");
  EXPECT_EQ(part[0]["recipes"], Json({"a", "b"}));
  EXPECT_EQ(part[1]["recipes"], Json({"a"}));
  EXPECT_EQ(findings.part(1).size(), 1u);
}

TEST(RecipeEqualization, JoinsEqualEntries) {
  RecipeEqualization equalization;
  const Json entry = {{"name", "w"}, {"before", {{"min", {0}}, {"max", {1}}}}, {"after", {{"min", {0}}, {"max", {2}}}}};
  Json other = entry;
  other["after"]["max"] = {3};
  equalization.add("a", Json::array({entry}));
  equalization.add("b", Json::array({entry}));
  equalization.add("c", Json::array({other}));
  ASSERT_EQ(equalization.part().size(), 2u);
  EXPECT_EQ(equalization.part()[0]["recipes"], Json({"a", "b"}));
  EXPECT_EQ(equalization.part()[1]["recipes"], Json({"c"}));
}

}  // namespace
}  // namespace qtool::pipeline
