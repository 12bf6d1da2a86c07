#include <set>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "verify_parts.h"

namespace qtool::container {
namespace {

TensorIndex index_tensors(const DlcGraph& graph) {
  TensorIndex index;
  for (const DlcTensor& tensor : graph.tensors) {
    if (!index.emplace(tensor.name, &tensor).second) refuse_tensor(tensor, "the tensor is listed twice");
  }
  return index;
}

const DlcTensor& lookup(const TensorIndex& tensors, const std::string& name, const char* role) {
  if (name.empty()) refuse(format("an {} has an empty name; leave absent optional inputs out at the end", role));
  const auto at = tensors.find(name);
  if (at == tensors.end()) throw Error(ErrorCode::kInvalidModel, format("{} is not in the tensor list", role)).with("tensor", name);
  return *at->second;
}

using Producers = std::map<std::string_view, const DlcOp*>;

void add_outputs(const DlcOp& op, const TensorIndex& tensors, Producers& producers) {
  if (op.outputs.empty()) refuse("the op has no output");
  for (const std::string& name : op.outputs) {
    const DlcTensor& tensor = lookup(tensors, name, "output");
    if (tensor.location == DlcLocation::kStatic || tensor.location == DlcLocation::kGraphInput) {
      refuse_tensor(tensor, "an op writes to a static tensor or graph input");
    }
    const auto [at, is_new] = producers.emplace(name, &op);
    if (!is_new) refuse_tensor(tensor, format("op '{}' writes the tensor too", at->second->name));
  }
}

// A tensor that nobody has written yet silently becomes a graph input when no op writes it, and the graph is
// refused when a later one does.
void check_inputs(const DlcOp& op, const TensorIndex& tensors, const Producers& producers) {
  for (const std::string& name : op.inputs) {
    const DlcTensor& tensor = lookup(tensors, name, "input");
    const bool needs_producer = tensor.location == DlcLocation::kNative || tensor.location == DlcLocation::kGraphOutput;
    if (needs_producer && !producers.contains(name)) {
      refuse_tensor(tensor, "no op before this one writes the tensor, and it is neither static nor a graph input");
    }
  }
}

void check_outputs_have_producers(const DlcGraph& graph, const Producers& producers) {
  for (const DlcTensor& tensor : graph.tensors) {
    if (tensor.location == DlcLocation::kGraphOutput && !producers.contains(tensor.name)) {
      refuse_tensor(tensor, "no op writes the graph output");
    }
  }
}

}  // namespace

TensorIndex verify_topology(const DlcGraph& graph) {
  TensorIndex tensors = index_tensors(graph);
  Producers producers;
  std::set<std::string_view> names;
  for (const DlcOp& op : graph.ops) {
    if (op.name.empty()) refuse(format("an op of type {} has no name", op.type));
    try {
      if (op.type.empty()) refuse("the op has no type");
      if (!names.insert(op.name).second) refuse("two ops have this name");
      check_inputs(op, tensors, producers);
      add_outputs(op, tensors, producers);
    } catch (Error& error) {
      error.with("op", op.name);
      throw;
    }
  }
  check_outputs_have_producers(graph, producers);
  return tensors;
}

}  // namespace qtool::container
