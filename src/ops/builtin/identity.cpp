// Identity: the smallest operator file, kept as the example of docs/extending.md.
#include "qtool/ops/registry.h"

namespace qtool::ops {

void register_identity(Registry& registry) {
  registry.add({.type = "Identity",
                .first_opset = 1,
                .infer = [](const InferContext& context) -> InferredTypes { return {context.type(0)}; },
                .evaluate = [](const EvalContext& context) -> std::vector<Tensor> { return {context.input(0)}; },
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
