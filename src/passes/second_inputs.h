// Products of two activations, of which the backend takes a wide second one in one form only.
#pragma once

#include <map>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/passes/plan_quantization.h"

namespace qtool::passes {

// For operators whose limits say symmetric_second_at_16: a second input of 16 bits becomes symmetric, and the first gets 16 bits
// as well. `order`: topological. Works on the leaders of shared encodings, which must have their widths; grids in `fixed` stay as they are.
void settle_second_inputs(const ir::Graph& graph, const std::vector<ir::NodeId>& order, const model::TargetProfile& profile,
                          const std::map<ir::ValueId, quant::Encoding>& fixed, model::QuantPlan& plan, PlanNotes& notes);

}  // namespace qtool::passes
