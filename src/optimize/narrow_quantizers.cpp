#include "narrow_quantizers.h"

#include <utility>

#include "tensor_traits.h"

namespace qtool::optimize {

std::vector<NarrowQuantizer> narrow_activations(const model::ModelState& state) {
  std::vector<NarrowQuantizer> found;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role != model::TensorRole::kActivation || plan.leader != id || plan.spec.bits > kNarrowBits) continue;
    if (model::find_encoding(state.encodings, id) == nullptr) continue;
    NarrowQuantizer quantizer{.leader = id, .members = grid_members(state, id)};
    if (!quantizer.members.empty()) found.push_back(std::move(quantizer));
  }
  return found;
}

std::vector<NarrowQuantizer> narrow_weights(const model::ModelState& state, const std::set<std::string>& operators) {
  std::vector<NarrowQuantizer> found;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role != model::TensorRole::kWeight || plan.spec.bits > kNarrowBits || model::find_encoding(state.encodings, id) == nullptr) continue;
    const ir::NodeId user = state.graph.single_user(id);
    if (user == ir::kNoNode || !operators.contains(state.graph.node(user).op_type)) continue;
    const model::TensorPlan* input = state.plan.find(state.graph.node(user).inputs[0]);
    if (input == nullptr || input->role != model::TensorRole::kActivation) continue;
    found.push_back({.leader = id, .members = {id}, .reads = input->leader});
  }
  return found;
}

}  // namespace qtool::optimize
