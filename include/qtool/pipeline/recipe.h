// Recipes: named sets of quantize options, as JSON (docs/recipes.md). Presets are compiled in from data/recipes.
#pragma once

#include <string>
#include <vector>

#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct Recipe {
  std::string name;
  std::string summary;
  // Options in the order of the field table: key and value as JSON text. Keys are the long names of the quantize options.
  std::vector<std::pair<std::string, std::string>> options;
};

[[nodiscard]] std::vector<std::string> recipe_names();  // presets

// A preset, or the path of a recipe file; `extends` is followed (presets, or files relative to the recipe's folder).
// Throws Error(kUsage) for an unknown name, Error(kInvalidData) naming file and key for a bad recipe.
[[nodiscard]] Recipe load_recipe(const std::string& name_or_path);

// The recipe's options onto the configuration; options it does not name keep their value.
void apply_recipe(const Recipe& recipe, QuantizeConfig& config);

// The file that gives this configuration again: every option a recipe can hold, resolved.
[[nodiscard]] Recipe recipe_of(const QuantizeConfig& config, const std::string& name);
[[nodiscard]] std::string recipe_json(const Recipe& recipe);

// Keys a recipe may hold, with what they mean.
struct RecipeKey {
  std::string key, type, summary;
};
[[nodiscard]] std::vector<RecipeKey> recipe_keys();

}  // namespace qtool::pipeline
