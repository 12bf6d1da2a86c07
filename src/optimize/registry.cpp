#include "qtool/optimize/registry.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::optimize {

void Registry::add(Stage stage) {
  const std::string name = stage.name;
  if (!stages_.emplace(name, std::move(stage)).second) throw Error(ErrorCode::kInternal, format("stage '{}' is registered twice", name));
}

const Stage* Registry::find(std::string_view name) const {
  const auto at = stages_.find(name);
  return at == stages_.end() ? nullptr : &at->second;
}

std::vector<const Stage*> Registry::all() const {
  std::vector<const Stage*> stages;
  for (const auto& [name, stage] : stages_) stages.push_back(&stage);
  std::stable_sort(stages.begin(), stages.end(), [](const Stage* a, const Stage* b) { return a->order < b->order; });
  return stages;
}

std::vector<const Stage*> Registry::resolve(std::span<const std::string> names) const {
  std::vector<std::string> known;
  for (const auto& [name, stage] : stages_) known.push_back(name);
  for (const std::string& name : names) {
    if (find(name) != nullptr) continue;
    throw Error(ErrorCode::kUsage, format("--optimizations: there is no '{}'{}; known are {}", name, did_you_mean(name, known), join(known, ", ")));
  }
  std::vector<const Stage*> wanted;
  for (const Stage* stage : all()) {
    const bool asked = std::find(names.begin(), names.end(), stage->name) != names.end();
    const bool comes_along = !names.empty() && std::any_of(stage->part_of.begin(), stage->part_of.end(), [&](const std::string& whole) {
      return whole == "*" || std::find(names.begin(), names.end(), whole) != names.end();
    });
    if (asked || comes_along) wanted.push_back(stage);
  }
  return wanted;
}

const Registry& builtin_registry() {
  static const Registry registry = [] {
    Registry made;
    register_builtin(made);
    return made;
  }();
  return registry;
}

}  // namespace qtool::optimize
