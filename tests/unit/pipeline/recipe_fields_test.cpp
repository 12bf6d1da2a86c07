// The list of recipe options, and the schema that editors read.
#include "recipe_fields.h"

#include <gtest/gtest.h>

#include <set>

#include "qtool/pipeline/recipe.h"
#include "qtool/support/files.h"

namespace qtool::pipeline {
namespace {

using Json = nlohmann::ordered_json;

TEST(RecipeFields, AreThoseOfTheSchema) {
  const Json schema = Json::parse(read_text_file(std::string(QTOOL_SOURCE_DIR) + "/data/recipes/schema/recipe.schema.json"));
  std::set<std::string> described, known;
  for (const auto& [key, value] : schema["properties"]["options"]["properties"].items()) described.insert(key);
  for (const RecipeField& field : recipe_fields()) known.emplace(field.key);
  EXPECT_EQ(described, known);
}

TEST(RecipeFields, WhatIsReadFitsAndIsWrittenBackTheSame) {
  QuantizeConfig config;
  config.bias_bitwidth = 32;
  config.activation_method = "mse";
  config.weight_schema = quant::Symmetry::kSymmetric;
  config.blocks = {.block_size = 16, .decompressed_bits = 8};
  config.overrides.file = "e.json";
  config.adaround.classic.beta_end = 3.0;
  QuantizeConfig copy;
  for (const RecipeField& field : recipe_fields()) {
    const Json value = field.read(config);
    if (value.is_null()) continue;
    EXPECT_TRUE(fits(field, value)) << field.key;
    field.write(copy, value);
    EXPECT_EQ(field.read(copy), value) << field.key;
  }
  EXPECT_EQ(copy.blocks.decompressed_bits, 8);
}

TEST(RecipeFields, RulesKeepTheirOrder) {
  using Kind = passes::PrecisionRule::Kind;
  QuantizeConfig config;
  config.precision = {{.kind = Kind::kActivation, .bits = 8, .pattern = "a b", .option = "--act8"}, {.kind = Kind::kFloat, .bits = 0, .pattern = "c", .option = "--float"}};
  QuantizeConfig copy;
  apply_recipe(recipe_of(config, "mine"), copy);
  ASSERT_EQ(copy.precision.size(), 2u);
  EXPECT_EQ(copy.precision[0].pattern, "a b");
  EXPECT_EQ(copy.precision[0].option, "--act8");
  EXPECT_EQ(copy.precision[1].kind, Kind::kFloat);
}

TEST(RecipeFields, AListReplacesWhatTheSameOptionSaidBefore) {
  using Kind = passes::PrecisionRule::Kind;
  QuantizeConfig config;
  config.precision = {{.kind = Kind::kWeight, .bits = 4, .pattern = "old", .option = "--w4"}, {.kind = Kind::kFloat, .bits = 0, .pattern = "kept", .option = "--float"}};
  apply_recipe({.name = "r", .summary = "", .options = {{"w4", R"(["new"])"}}}, config);
  ASSERT_EQ(config.precision.size(), 2u);
  EXPECT_EQ(config.precision[0].pattern, "kept");
  EXPECT_EQ(config.precision[1].pattern, "new");
}

}  // namespace
}  // namespace qtool::pipeline
