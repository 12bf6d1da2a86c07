// Which of the user's precision rules holds for which operator, tensor and weight.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "qtool/passes/plan_quantization.h"

namespace qtool::passes {

struct HandPrecision {
  struct Choice {
    int bits = 0;
    size_t rule = 0;   // index in the list of all rules: the larger is stronger
  };
  std::set<ir::NodeId> float_nodes;
  std::map<ir::ValueId, Choice> activations;
  std::map<ir::ValueId, Choice> weights;
  std::vector<PlanNotes::RuleCount> counts;   // of options.rules
};

// Throws Error(kUsage) with the nearest name for a pattern that matches nothing.
[[nodiscard]] HandPrecision resolve_precision(const ir::Graph& graph, const ops::Registry& registry, const PlanOptions& options);

}  // namespace qtool::passes
