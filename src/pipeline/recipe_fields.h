// The one list of options that a recipe can hold: a new option of quantize is one line here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

using RecipeMember = std::variant<std::string QuantizeConfig::*, bool QuantizeConfig::*, double QuantizeConfig::*,
                                  std::optional<int> QuantizeConfig::*, std::vector<std::string> QuantizeConfig::*>;

struct RecipeField {
  std::string_view key;  // long name of the command-line option
  RecipeMember member;
  std::string_view summary;
};

[[nodiscard]] std::span<const RecipeField> recipe_fields();

}  // namespace qtool::pipeline
