// The table of passes. Files in src/passes/builtin each add one pass.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/passes/pass.h"

namespace qtool::passes {

using PassFactory = std::function<std::unique_ptr<Pass>()>;

// Tries to rewrite the graph around one node; false: not a match, nothing changed.
using NodeRewrite = std::function<bool(model::ModelState& state, ir::NodeId node)>;

class Registry {
 public:
  struct Entry {
    PassInfo info;
    PassFactory make;
  };

  // Throws Error(kInternal) when the name is registered twice.
  void add(PassInfo info, PassFactory make);
  // A pass that offers every node to `rewrite` once, producers first.
  void add_rewrite(PassInfo info, NodeRewrite rewrite);

  [[nodiscard]] const Entry* find(std::string_view name) const;  // nullptr when unknown
  // Throws Error(kUsage) with the nearest name when unknown.
  [[nodiscard]] const Entry& at(std::string_view name) const;
  [[nodiscard]] std::vector<const Entry*> all() const;  // by category, order, name

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

// Defined by the build from the files in src/passes/builtin.
void register_builtin(Registry& registry);

// The table with every pass of this build.
[[nodiscard]] const Registry& builtin_registry();

}  // namespace qtool::passes
