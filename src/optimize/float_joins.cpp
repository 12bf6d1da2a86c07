#include "float_joins.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "learned_layers.h"
#include "qtool/support/format.h"

namespace qtool::optimize {

namespace {

constexpr double kLevelsOfOwn = 255.0;

// The Concats at and behind `id`; nullopt where something computes with it.
std::optional<std::vector<ir::ValueId>> joins_behind(const ir::Graph& graph, ir::ValueId id) {
  std::vector<ir::ValueId> joins = {id}, open = {id};
  while (!open.empty()) {
    const ir::ValueId value = open.back();
    open.pop_back();
    for (const ir::NodeId user : graph.value(value).uses) {
      const ir::Node& node = graph.node(user);
      if (!joins_or_moves(node)) return std::nullopt;
      if (!moves_data(node)) joins.push_back(node.outputs[0]);
      for (const ir::ValueId output : node.outputs) {
        if (output != ir::kNoValue) open.push_back(output);
      }
    }
  }
  return joins;
}

}  // namespace

std::vector<FloatJoin> joins_for_float(const ir::Graph& graph, const HeadAnalysis& head, int bits) {
  const double finer = (std::exp2(bits) - 1.0) / (std::exp2(HeadOptions{}.bits) - 1.0);
  std::vector<FloatJoin> found;
  std::set<ir::ValueId> seen;
  for (const HeadFinding& finding : head.findings) {
    if (finding.cause != HeadCause::kRangeClash || finding.parts.empty()) continue;
    const ConcatPart& least = *std::ranges::min_element(finding.parts, {}, &ConcatPart::levels);
    if (least.levels * finer >= kLevelsOfOwn) continue;
    for (const ir::ValueId join : joins_behind(graph, finding.value).value_or(std::vector<ir::ValueId>{})) {
      if (!seen.insert(join).second) continue;
      found.push_back({join, format("with {} bits '{}' keeps {:.0f} levels, fewer than with 8 of its own", bits, least.name, least.levels * finer)});
    }
  }
  return found;
}

}  // namespace qtool::optimize
