#include "recipe_parts.h"

#include <algorithm>
#include <set>

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr const char* kByRecipe = "by_recipe";

Json difference(const Json& base, const Json& other) {
  Json changed = Json::object();
  for (const auto& [key, value] : other.items()) {
    const auto found = base.find(key);
    // The longest member by far; equalization has the ones that a reader wants to compare.
    if (found == base.end() || *found != value) changed[key] = key == "channels" ? Json(nullptr) : value;
  }
  for (const auto& [key, value] : base.items()) {
    if (key != kByRecipe && !other.contains(key)) changed[key] = nullptr;
  }
  return changed;
}

}  // namespace

void RecipeTensors::add(const std::string& recipe, const Json& tensors) {
  std::set<std::string> present;
  for (const Json& tensor : tensors) {
    const auto name = tensor.at("name").get<std::string>();
    present.insert(name);
    const auto [at, is_new] = index_.try_emplace(name, merged_.size());
    if (is_new) {
      merged_.push_back(tensor);
      for (const std::string& earlier : recipes_) merged_.back()[kByRecipe][earlier] = nullptr;
    } else if (Json changed = difference(merged_[at->second], tensor); !changed.empty()) {
      merged_[at->second][kByRecipe][recipe] = std::move(changed);
    }
  }
  for (const auto& [name, at] : index_) {
    if (!present.contains(name)) merged_[at][kByRecipe][recipe] = nullptr;
  }
  recipes_.push_back(recipe);
}

void RecipeFindings::add(const std::string& recipe, const std::vector<LayerFinding>& findings) {
  for (const LayerFinding& finding : findings) {
    Shared& shared = by_name_and_kind_[{finding.name, finding.kind}];
    if (shared.recipes.empty() || finding.severity > shared.finding.severity) shared.finding = finding;
    shared.recipes.push_back(recipe);
  }
}

Json RecipeFindings::part(size_t limit) const {
  std::vector<const Shared*> order;
  for (const auto& [key, shared] : by_name_and_kind_) order.push_back(&shared);
  std::stable_sort(order.begin(), order.end(), [](const Shared* a, const Shared* b) { return a->finding.severity > b->finding.severity; });
  Json list = Json::array();
  for (size_t i = 0; i < std::min(limit, order.size()); ++i) {
    list.push_back(finding_json(order[i]->finding));
    list.back()["recipes"] = order[i]->recipes;
  }
  return list;
}

void RecipeEqualization::add(const std::string& recipe, const Json& entries) {
  for (const Json& entry : entries) {
    const auto same = std::find_if(merged_.begin(), merged_.end(), [&](const Json& other) {
      return other["name"] == entry["name"] && other["before"] == entry["before"] && other["after"] == entry["after"];
    });
    if (same == merged_.end()) {
      merged_.push_back(entry);
      merged_.back()["recipes"] = {recipe};
    } else {
      (*same)["recipes"].push_back(recipe);
    }
  }
}

}  // namespace qtool::pipeline
