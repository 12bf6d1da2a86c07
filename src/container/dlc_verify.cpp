#include "qtool/container/dlc_verify.h"

#include <set>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "verify_parts.h"

namespace qtool::container {
namespace {

void verify_op(const DlcOp& op, const TensorIndex& tensors) try {
  verify_attributes(op);
  verify_op_rules(op, tensors);
} catch (Error& error) {
  error.with("op", op.name);
  throw;
}

void verify_graph(const DlcGraph& graph) try {
  for (const DlcTensor& tensor : graph.tensors) verify_graph_tensor(tensor);
  const TensorIndex tensors = verify_topology(graph);
  for (const DlcOp& op : graph.ops) verify_op(op, tensors);
  verify_fusions(graph, tensors);
} catch (Error& error) {
  error.with("graph", graph.name);
  throw;
}

}  // namespace

void refuse(const std::string& problem) { throw Error(ErrorCode::kInvalidModel, problem); }

void refuse_tensor(const DlcTensor& tensor, const std::string& problem) {
  throw Error(ErrorCode::kInvalidModel, problem).with("tensor", tensor.name);
}

void verify_dlc(const DlcFile& file) {
  if (file.graphs.empty()) refuse("a DLC needs a graph");
  std::set<std::string_view> names;
  for (const DlcGraph& graph : file.graphs) {
    if (!names.insert(graph.name).second) refuse(format("two graphs are called '{}'", graph.name));
    verify_graph(graph);
  }
}

}  // namespace qtool::container
