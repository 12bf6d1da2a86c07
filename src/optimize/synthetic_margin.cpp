#include "qtool/optimize/synthetic_margin.h"

#include <algorithm>

#include "channel_flow.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

constexpr double kInner = 1.1;
constexpr double kDecision = 2.0;

quant::Range within_clip(const ir::Graph& graph, ir::ValueId id, quant::Range range) {
  const ir::NodeId producer = graph.producer(id);
  if (producer == ir::kNoNode || graph.node(producer).op_type != "Clip") return range;
  const auto bounds = clip_bounds(graph, graph.node(producer));
  return bounds ? quant::Range{std::max(range.lo, bounds->low), std::min(range.hi, bounds->high)} : range;
}

// One score a class for the whole picture. Dense outputs (boxes, maps) show what the picture holds everywhere, and boxes are as large as
// the picture, whatever it shows.
bool classifies_pictures(const ir::Graph& graph) {
  return std::all_of(graph.outputs.begin(), graph.outputs.end(), [&](ir::ValueId id) {
    const auto& type = graph.value(id).type;
    return type && type->shape.element_count() == type->shape.span_count(0, std::min<size_t>(2, type->shape.rank()));
  });
}

}  // namespace

calib::CalibrationResult with_synthetic_margin(const ir::Graph& graph, calib::CalibrationResult seen) {
  const std::set<ir::ValueId> decisions = classifies_pictures(graph) ? decision_values(graph) : std::set<ir::ValueId>();
  for (auto& [id, statistics] : seen.statistics) {
    if (statistics.empty() || std::count(graph.inputs.begin(), graph.inputs.end(), id) > 0) continue;
    const double factor = decisions.contains(id) ? kDecision : kInner;
    statistics.range = within_clip(graph, id, {factor * statistics.range.lo, factor * statistics.range.hi});
  }
  return seen;
}

}  // namespace qtool::optimize
