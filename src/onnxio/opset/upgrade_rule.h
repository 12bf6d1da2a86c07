// One change of one operator between two versions of the operator set.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::onnxio {

struct UpgradeRule {
  std::string op_type;
  int64_t since = 0;  // the version that brought the change
  // Rewrites a node written for an older version. It may add nodes; these are written for `since`.
  std::function<void(ir::Graph&, ir::NodeId)> apply;
};

using UpgradeRules = std::vector<UpgradeRule>;

// Attributes that became inputs.
void add_attribute_rules(UpgradeRules& rules);
// Defaults, names and meanings that changed.
void add_meaning_rules(UpgradeRules& rules);
// Upsample and Resize.
void add_resize_rules(UpgradeRules& rules);

// Takes the attribute away and gives its value as the constant input `slot`. Nothing happens when it is absent.
void attribute_to_input(ir::Graph& graph, ir::NodeId node, std::string_view key, size_t slot);
void set_constant_input(ir::Graph& graph, ir::NodeId node, std::string_view key, size_t slot, Tensor tensor);

}  // namespace qtool::onnxio
