// Which tensors at the border of a float island need a grid: those that a quantized operator reads.
#pragma once

#include <set>

#include "qtool/ir/graph.h"
#include "qtool/model/target_profile.h"
#include "qtool/ops/registry.h"

namespace qtool::passes {

class GridDemand {
 public:
  // All references outlive the object.
  GridDemand(const ir::Graph& graph, const model::TargetProfile& profile, const ops::Registry& registry,
             const std::set<ir::NodeId>& float_nodes);

  // True when an operator that computes on codes reads the value, directly or through data movement.
  [[nodiscard]] bool is_read_quantized(ir::ValueId value) const { return wanted_.contains(value); }

 private:
  std::set<ir::ValueId> wanted_;
};

}  // namespace qtool::passes
