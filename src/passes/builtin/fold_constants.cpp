// Evaluates nodes whose inputs are all constants, and settles types that rewrites have made known.
// BEFORE   constant a, constant b -> Mul -> c -> ...        AFTER   constant c -> ...
// REQUIRES every operator is known; results of random operators and very large results are not folded
// FORMULA  the reference kernels
// SOURCE   ops/shape_inference.h
#include "qtool/ops/shape_inference.h"
#include "qtool/passes/registry.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

class FoldConstants final : public Pass {
 public:
  PassResult run(model::ModelState& state, Reporter&) override {
    const ops::Registry& operators = ops::builtin_registry();
    const auto unknown = ops::unsupported_nodes(state.graph, operators);
    if (!unknown.empty()) return {.notes = {format("constants are not folded: {} is not known", unknown.front())}};
    const size_t before = state.graph.node_ids().size();
    ops::infer_shapes(state.graph, operators);
    return {.changes = static_cast<int64_t>(before - state.graph.node_ids().size())};
  }
};

}  // namespace

void register_fold_constants(Registry& registry) {
  registry.add({.name = "fold_constants",
                .summary = "Evaluates nodes whose inputs are all constants.",
                .category = PassCategory::kCleanup,
                .order = 10},
               [] { return std::make_unique<FoldConstants>(); });
}

}  // namespace qtool::passes
