#include "qtool/optimize/head_analysis.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "learned_layers.h"
#include "qtool/support/format.h"


namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool one_of(const Node& node, std::initializer_list<std::string_view> types) {
  return node.domain.empty() && std::find(types.begin(), types.end(), node.op_type) != types.end();
}

bool is_arithmetic(const Node& node) {
  return one_of(node, {"Add", "Sub", "Mul", "Div", "Pow", "Exp", "Sqrt", "Neg", "Sum", "Reciprocal", "Log"});
}

bool is_squashing(const Node& node) { return one_of(node, {"Sigmoid", "Softmax", "HardSigmoid", "Tanh"}); }

class Analyzer {
 public:
  using RangeOf = std::function<std::optional<quant::Range>(ValueId)>;
  Analyzer(const Graph& graph, const RangeOf& range, const HeadOptions& options)
      : graph_(graph), range_(range), options_(options) {
    analysis_.last_layers = last_learned_outputs(graph);
  }

  HeadAnalysis run() {
    find_tail();
    for (const NodeId id : graph_.topological_order()) {
      if (!analysis_.tail.contains(id)) continue;
      const Node& node = graph_.node(id);
      if (one_of(node, {"Concat"})) judge_concat(node);
      else if (is_arithmetic(node)) report(node, HeadCause::kArithmetic, format("{} computes in steps of its grid behind the last layers", node.text()));
      else if (is_squashing(node) && enters_arithmetic(node.outputs[0])) {
        report(node, HeadCause::kDecoded, format("{} is decoded further by arithmetic, which multiplies its step", node.text()));
      }
    }
    return std::move(analysis_);
  }

 private:
  void find_tail() {
    std::set<ValueId> seen;
    std::vector<ValueId> open(graph_.outputs.begin(), graph_.outputs.end());
    while (!open.empty()) {
      const ValueId id = open.back();
      open.pop_back();
      if (id == ir::kNoValue || graph_.producer(id) == ir::kNoNode || analysis_.last_layers.contains(id) || !seen.insert(id).second) continue;
      const Node& node = graph_.node(graph_.producer(id));
      analysis_.tail.insert(node.id);
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
    }
    // A model without learned layers has no tail, it is all of it.
    if (analysis_.last_layers.empty()) analysis_.tail.clear();
  }

  // Of a squashing function, through movement: what it can reach, not what a few images made of it.
  [[nodiscard]] std::optional<quant::Range> fixed_range(ValueId id) const {
    const NodeId producer = graph_.producer(id);
    if (producer == ir::kNoNode) return std::nullopt;
    const Node& node = graph_.node(producer);
    if (one_of(node, {"Sigmoid", "Softmax", "HardSigmoid"})) return quant::Range{0.0, 1.0};
    if (one_of(node, {"Tanh"})) return quant::Range{-1.0, 1.0};
    return moves_data(node) ? fixed_range(node.inputs[0]) : std::nullopt;
  }

  [[nodiscard]] std::optional<quant::Range> range_of(ValueId id) const {
    if (const auto fixed = fixed_range(id)) return fixed;
    if (const auto known = range_(id)) return known;
    const NodeId producer = graph_.producer(id);
    if (producer == ir::kNoNode) return std::nullopt;
    const Node& node = graph_.node(producer);
    if (moves_data(node)) return range_of(node.inputs[0]);
    if (!one_of(node, {"Concat"})) return std::nullopt;
    std::optional<quant::Range> joint;
    for (const ValueId input : node.inputs) {
      const auto part = range_of(input);
      if (!part) return std::nullopt;
      if (joint) joint->include(*part);
      else joint = part;
    }
    return joint;
  }

  void judge_concat(const Node& node) {
    const std::vector<ConcatPart> parts = parts_of(node);
    const auto weakest = std::min_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.levels < b.levels; });
    if (weakest != parts.end() && weakest->levels < options_.fewest_levels) {
      const auto strongest = std::max_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.levels < b.levels; });
      HeadFinding& finding = report(node, HeadCause::kRangeClash,
                                    format("{} joins '{}' ({:.4g}..{:.4g}) and '{}' ({:.4g}..{:.4g}): on one {}-bit grid the first keeps {:.1f} of {} levels",
                                           node.text(), weakest->name, weakest->range.lo, weakest->range.hi, strongest->name,
                                           strongest->range.lo, strongest->range.hi, options_.bits, weakest->levels, steps()));
      finding.parts = parts;
      return;
    }
    const bool behind = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) { return carries_clash(input); });
    if (behind) report(node, HeadCause::kBehindClash, format("{} reads a Concat that needs a finer grid", node.text()));
  }

  [[nodiscard]] int steps() const { return (1 << options_.bits) - 1; }

  [[nodiscard]] std::vector<ConcatPart> parts_of(const Node& node) const {
    std::vector<ConcatPart> parts;
    std::optional<quant::Range> joint;
    for (const ValueId input : node.inputs) {
      if (graph_.type_of(input).dtype != DType::kFloat32) return {};
      const auto range = range_of(input);
      if (!range) return {};
      parts.push_back({graph_.value(input).name, *range});
      if (joint) joint->include(*range);
      else joint = range;
    }
    if (!joint) return {};
    joint->include({0.0, 0.0});
    const double width = joint->hi - joint->lo;
    for (ConcatPart& part : parts) part.levels = width > 0.0 ? steps() * (part.range.hi - part.range.lo) / width : steps();
    return parts;
  }

  // Through movement, is this the result of a Concat that was found?
  [[nodiscard]] bool carries_clash(ValueId id) const {
    const NodeId producer = graph_.producer(id);
    if (producer == ir::kNoNode || !analysis_.tail.contains(producer)) return false;
    const Node& node = graph_.node(producer);
    if (one_of(node, {"Concat"})) return found_.contains(id);
    return moves_data(node) && carries_clash(node.inputs[0]);
  }

  // The constant convolution that averages distances (DFL) is not arithmetic in this sense: it stays at 8 bits unharmed.
  [[nodiscard]] bool enters_arithmetic(ValueId id) const {
    const auto& uses = graph_.value(id).uses;
    return std::any_of(uses.begin(), uses.end(), [&](NodeId user) {
      const Node& node = graph_.node(user);
      if (is_arithmetic(node)) return true;
      if (!moves_data(node)) return false;
      return std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId out) { return out != ir::kNoValue && enters_arithmetic(out); });
    });
  }

  HeadFinding& report(const Node& node, HeadCause cause, std::string text) {
    found_.insert(node.outputs[0]);
    analysis_.findings.push_back({node.outputs[0], cause, {}, std::move(text)});
    return analysis_.findings.back();
  }

  const Graph& graph_;
  const RangeOf& range_;
  HeadOptions options_;
  HeadAnalysis analysis_;
  std::set<ValueId> found_;
};

}  // namespace

HeadAnalysis analyze_head(const Graph& graph, const std::function<std::optional<quant::Range>(ValueId)>& range, const HeadOptions& options) {
  return Analyzer(graph, range, options).run();
}

std::vector<std::string> head_summary(const Graph& graph, const HeadAnalysis& analysis) {
  std::vector<std::string> lines;
  size_t arithmetic = 0;
  for (const HeadFinding& finding : analysis.findings) {
    if (finding.cause == HeadCause::kRangeClash) lines.push_back(finding.text);
    else if (finding.cause != HeadCause::kBehindClash) ++arithmetic;
  }
  if (arithmetic > 0) {
    const auto first = std::find_if(analysis.findings.begin(), analysis.findings.end(),
                                    [](const HeadFinding& f) { return f.cause == HeadCause::kArithmetic || f.cause == HeadCause::kDecoded; });
    lines.push_back(format("{} operators behind the last layers decode boxes and want more than 8 bits, first '{}'", arithmetic,
                           graph.value(first->value).name));
  }
  return lines;
}

}  // namespace qtool::optimize
