// The one list of options that a recipe can hold: a new option of quantize is one line here.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct RecipeField {
  using Json = nlohmann::ordered_json;

  std::string_view key;      // long name of the command-line option
  std::string_view type;     // "string", "boolean", "number", "integer", "list of strings", "list of numbers", "path"
  std::string_view summary;
  std::function<Json(const QuantizeConfig&)> read;               // null: not set
  std::function<void(QuantizeConfig&, const Json&)> write;       // of a value that fits the type
};

[[nodiscard]] std::span<const RecipeField> recipe_fields();

[[nodiscard]] bool fits(const RecipeField& field, const RecipeField::Json& value);

}  // namespace qtool::pipeline
