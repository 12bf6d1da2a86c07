#include "search_options.h"

#include <algorithm>

#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) { return std::ranges::find(list, name) != list.end(); }

}  // namespace

bool QuantizeConfig::selective() const { return contains(optimizations, "selective"); }
bool QuantizeConfig::chooses_precision() const { return selective() || contains(optimizations, "head"); }
bool QuantizeConfig::automatic() const { return contains(optimizations, "auto"); }

std::vector<std::string> QuantizeConfig::stages() const {
  std::vector<std::string> names;
  std::ranges::copy_if(optimizations, std::back_inserter(names),
                       [](const std::string& name) { return name != "head" && name != "selective" && name != "auto"; });
  return names;
}

std::string QuantizeConfig::method_of_activations() const {
  if (!activation_method.empty()) return activation_method;
  const bool can_measure = !data_free && stats.empty();
  return !optimizations.empty() && can_measure ? "best" : "min-max";
}

bool is_optimization(const std::string& name) {
  return name == "head" || name == "selective" || name == "auto" || optimize::builtin_registry().find(name) != nullptr;
}

void check_search(const QuantizeConfig& config, std::vector<std::string>& problems) {
  const SearchOptions& search = config.search;
  const auto needs = [&](bool given, const char* option, bool enough, const char* what) {
    if (given && !enough) problems.push_back(format("{} goes with --optimizations {}", option, what));
  };
  needs(search.target_drop.has_value(), "--target-drop", config.automatic(), "auto");
  needs(search.time_budget.has_value(), "--time-budget", config.automatic(), "auto");
  needs(!search.evaluation.labels.empty() || !search.evaluation.images.empty(), "--labels", config.automatic(), "auto");
  needs(search.target_cost.has_value(), "--target-cost", config.automatic() || config.selective(), "auto or selective");
  if (search.target_drop && !(*search.target_drop > 0.0 && *search.target_drop <= 100.0)) {
    problems.push_back(format("--target-drop {}: points of the metric, above 0 and at most 100", *search.target_drop));
  }
  if (search.target_cost && !(*search.target_cost >= 1.0)) problems.push_back(format("--target-cost {}: at least 1, the cost of 8 bits everywhere", *search.target_cost));
  if (search.evaluation.labels.empty() != search.evaluation.images.empty()) problems.push_back("--images and --labels belong together");
  if (config.automatic() && config.optimizations.size() > 1) problems.push_back("--optimizations auto chooses the others itself; give it alone");
  if (config.automatic() && !config.stats.empty()) problems.push_back("--optimizations auto measures on images; give --calib instead of --stats");
  if (config.keep_aside && *config.keep_aside < 0) problems.push_back("--keep-aside: at least 0");
}

}  // namespace qtool::pipeline
