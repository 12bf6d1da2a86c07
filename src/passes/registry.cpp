#include "qtool/passes/registry.h"

#include <algorithm>
#include <tuple>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::passes {

namespace {

class RewritePass final : public Pass {
 public:
  explicit RewritePass(NodeRewrite rewrite) : rewrite_(std::move(rewrite)) {}

  PassResult run(model::ModelState& state, Reporter&) override {
    PassResult result;
    for (const ir::NodeId id : state.graph.topological_order()) {
      // An earlier rewrite of this walk may have absorbed the node.
      if (state.graph.is_live(id) && rewrite_(state, id)) ++result.changes;
    }
    if (result.changes > 0) state.graph.remove_unused();
    return result;
  }

 private:
  NodeRewrite rewrite_;
};

}  // namespace

void Registry::add(PassInfo info, PassFactory make) {
  const std::string name = info.name;
  if (!entries_.emplace(name, Entry{std::move(info), std::move(make)}).second) {
    throw Error(ErrorCode::kInternal, format("pass '{}' is registered twice", name));
  }
}

void Registry::add_rewrite(PassInfo info, NodeRewrite rewrite) {
  add(std::move(info), [rewrite = std::move(rewrite)] { return std::make_unique<RewritePass>(rewrite); });
}

const Registry::Entry* Registry::find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second;
}

const Registry::Entry& Registry::at(std::string_view name) const {
  if (const Entry* entry = find(name)) return *entry;
  std::vector<std::string> known;
  for (const auto& [key, entry] : entries_) known.push_back(key);
  throw Error(ErrorCode::kUsage, format("there is no pass '{}'{}", name, did_you_mean(name, known)));
}

std::vector<const Registry::Entry*> Registry::all() const {
  std::vector<const Entry*> list;
  for (const auto& [name, entry] : entries_) list.push_back(&entry);
  std::stable_sort(list.begin(), list.end(), [](const Entry* a, const Entry* b) {
    return std::tie(a->info.category, a->info.order) < std::tie(b->info.category, b->info.order);
  });
  return list;
}

const Registry& builtin_registry() {
  static const Registry registry = [] {
    Registry table;
    register_builtin(table);
    return table;
  }();
  return registry;
}

}  // namespace qtool::passes
