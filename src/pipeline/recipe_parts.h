// Parts of a report document that several recipes share: what they have in common stands once.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "report_document.h"
#include "worst_layers.h"

namespace qtool::pipeline {

// "tensors": each tensor as the first recipe has it, and under "by_recipe" the members that differ in others (null: without
// this member; channel ranges stand in the first recipe only). A tensor that a recipe does not have at all is null there.
class RecipeTensors {
 public:
  void add(const std::string& recipe, const nlohmann::json& tensors);  // of tensors_part()
  [[nodiscard]] nlohmann::json part() const { return merged_; }

 private:
  std::vector<std::string> recipes_;
  std::map<std::string, size_t> index_;
  nlohmann::json merged_ = nlohmann::json::array();
};

// "worst_layers": equal findings of several recipes once, with the recipes named; worst first.
class RecipeFindings {
 public:
  void add(const std::string& recipe, const std::vector<LayerFinding>& findings);
  [[nodiscard]] nlohmann::json part(size_t limit) const;

 private:
  struct Shared {
    LayerFinding finding;  // as the worst of its recipes has it
    std::vector<std::string> recipes;
  };
  std::map<std::pair<std::string, std::string>, Shared> by_name_and_kind_;
};

// "equalization": equal entries of several recipes once, with the recipes named.
class RecipeEqualization {
 public:
  void add(const std::string& recipe, const nlohmann::json& entries);  // of equalization_part()
  [[nodiscard]] nlohmann::json part() const { return merged_; }

 private:
  nlohmann::json merged_ = nlohmann::json::array();
};

}  // namespace qtool::pipeline
