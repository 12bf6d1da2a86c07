#include "learned_layers.h"

#include <vector>

#include "qtool/ops/registry.h"

namespace qtool::optimize {

namespace {

bool averages_distances(const ir::Graph& graph, const ir::Node& conv) {
  if (graph.type_of(conv.outputs[0]).shape[1] != 1) return false;
  ir::NodeId producer = graph.producer(conv.inputs[0]);
  while (producer != ir::kNoNode && joins_or_moves(graph.node(producer))) producer = graph.producer(graph.node(producer).inputs[0]);
  return producer != ir::kNoNode && graph.node(producer).op_type == "Softmax";
}

}  // namespace

bool joins_or_moves(const ir::Node& node) {
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  return def != nullptr && (def->traits.flow == ops::ValueFlow::kMovesData || def->traits.flow == ops::ValueFlow::kJoinsInputs);
}

bool moves_data(const ir::Node& node) {
  const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
  return def != nullptr && def->traits.flow == ops::ValueFlow::kMovesData;
}

bool is_learned(const ir::Graph& graph, const ir::Node& node) {
  if (!node.domain.empty()) return false;
  if (node.op_type == "Conv") return !averages_distances(graph, node);
  return node.op_type == "ConvTranspose" || node.op_type == "Gemm" || node.op_type == "MatMul";
}

std::set<ir::ValueId> last_learned_outputs(const ir::Graph& graph) {
  std::set<ir::ValueId> found, seen;
  std::vector<ir::ValueId> open(graph.outputs.begin(), graph.outputs.end());
  while (!open.empty()) {
    const ir::ValueId id = open.back();
    open.pop_back();
    if (id == ir::kNoValue || graph.producer(id) == ir::kNoNode || !seen.insert(id).second) continue;
    const ir::Node& node = graph.node(graph.producer(id));
    if (is_learned(graph, node)) found.insert(id);
    else open.insert(open.end(), node.inputs.begin(), node.inputs.end());
  }
  return found;
}

}  // namespace qtool::optimize
