// The operator table. Files in src/ops/builtin each add one operator (or one family that shares its code).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qtool/ops/op_def.h"

namespace qtool::ops {

class Registry {
 public:
  // Throws Error(kInternal) when (domain, type) is registered twice.
  void add(OpDef def);
  // nullptr when unknown.
  [[nodiscard]] const OpDef* find(std::string_view domain, std::string_view type) const;
  // Throws Error(kUnsupported) naming the node when unknown.
  [[nodiscard]] const OpDef& at(const ir::Node& node) const;
  [[nodiscard]] std::vector<const OpDef*> all() const;  // sorted by domain and type

 private:
  std::map<std::pair<std::string, std::string>, OpDef> defs_;
};

// Defined by the build from the files in src/ops/builtin.
void register_builtin(Registry& registry);

// The table with every operator of this build.
[[nodiscard]] const Registry& builtin_registry();

// Runs shape rule / reference kernel of one node; errors gain the node's name and op.
[[nodiscard]] InferredTypes infer_node(const OpDef& def, const InferContext& context);
[[nodiscard]] std::vector<Tensor> evaluate_node(const OpDef& def, const EvalContext& context);

}  // namespace qtool::ops
