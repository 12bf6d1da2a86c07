#include "qtool/ops/registry.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

template <class Fn>
auto with_node_context(const ir::Node& node, Fn&& fn) {
  try {
    return fn();
  } catch (Error& error) {
    error.with("node", node.name).with("op", node.op_type);
    throw;
  }
}

}  // namespace

const TensorType& InferContext::type(size_t i) const {
  if (!has_input(i)) throw Error(ErrorCode::kInvalidModel, format("input {} is missing", i));
  return *types_[i];
}

const Tensor& EvalContext::input(size_t i) const {
  if (!has_input(i)) throw Error(ErrorCode::kInvalidModel, format("input {} is missing", i));
  return *inputs_[i];
}

void Registry::add(OpDef def) {
  auto key = std::make_pair(def.domain, def.type);
  if (!defs_.emplace(key, std::move(def)).second) {
    throw Error(ErrorCode::kInternal, format("operator '{}' is registered twice", key.second));
  }
}

const OpDef* Registry::find(std::string_view domain, std::string_view type) const {
  const auto at = defs_.find({std::string(domain), std::string(type)});
  return at == defs_.end() ? nullptr : &at->second;
}

const OpDef& Registry::at(const ir::Node& node) const {
  const OpDef* def = find(node.domain, node.op_type);
  if (def == nullptr) {
    throw Error(ErrorCode::kUnsupported, "operator is not supported").with("node", node.name).with("op", node.op_type);
  }
  return *def;
}

std::vector<const OpDef*> Registry::all() const {
  std::vector<const OpDef*> list;
  for (const auto& [key, def] : defs_) list.push_back(&def);
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

InferredTypes infer_node(const OpDef& def, const InferContext& context) {
  return with_node_context(context.node(), [&] { return def.infer(context); });
}

std::vector<Tensor> evaluate_node(const OpDef& def, const EvalContext& context) {
  return with_node_context(context.node(), [&] { return def.evaluate(context); });
}

}  // namespace qtool::ops
