// Removes nodes and constants that no graph output depends on.
// BEFORE   x -> A -> y (output);  x -> B -> z (nobody reads z)        AFTER   x -> A -> y
// REQUIRES nothing
// FORMULA  -
// SOURCE   -
#include "qtool/passes/registry.h"

namespace qtool::passes {

namespace {

class RemoveUnused final : public Pass {
 public:
  PassResult run(model::ModelState& state, Reporter&) override {
    return {.changes = static_cast<int64_t>(state.graph.remove_unused())};
  }
};

}  // namespace

void register_remove_unused(Registry& registry) {
  registry.add({.name = "remove_unused",
                .summary = "Removes nodes that no graph output depends on.",
                .category = PassCategory::kCleanup,
                .order = 0},
               [] { return std::make_unique<RemoveUnused>(); });
}

}  // namespace qtool::passes
