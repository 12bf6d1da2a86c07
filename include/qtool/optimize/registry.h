// The table of stages. Files in src/optimize/builtin each add one.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/optimize/stage.h"

namespace qtool::optimize {

class Registry {
 public:
  // Throws Error(kInternal) when the name is registered twice.
  void add(Stage stage);
  [[nodiscard]] const Stage* find(std::string_view name) const;  // nullptr when unknown
  [[nodiscard]] std::vector<const Stage*> all() const;           // by order
  // The stages that `names` ask for, with what belongs to them, in the order in which they run. Throws Error(kUsage) with
  // the nearest name for an unknown one.
  [[nodiscard]] std::vector<const Stage*> resolve(std::span<const std::string> names) const;

 private:
  std::map<std::string, Stage, std::less<>> stages_;
};

// Defined by the build from the files in src/optimize/builtin.
void register_builtin(Registry& registry);
[[nodiscard]] const Registry& builtin_registry();

}  // namespace qtool::optimize
