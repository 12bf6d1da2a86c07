// What the options of a plan say about each value: its grid, and who wants to see it.
#pragma once

#include <set>

#include "qtool/exec/executor.h"
#include "qtool/quant/encoding.h"

namespace qtool::exec {

class ValueFacts {
 public:
  ValueFacts(const ir::Graph& graph, const ExecOptions& options);

  [[nodiscard]] const quant::Encoding* encoding(ir::ValueId id) const;
  // Grid of a value that may lie in memory as codes.
  [[nodiscard]] const quant::Encoding* code_encoding(ir::ValueId id) const;
  // Whether values may lie in codes at all.
  [[nodiscard]] bool integer() const { return integer_; }
  [[nodiscard]] bool simulates() const { return options_.encodings != nullptr; }
  [[nodiscard]] bool typed(ir::ValueId id) const { return graph_.value(id).type.has_value(); }
  [[nodiscard]] bool observed(ir::ValueId id) const { return observed_.contains(id); }
  // A tap or a grid needs the value itself: it must not be fused away.
  [[nodiscard]] bool watched(ir::ValueId id) const { return observed(id) || encoding(id) != nullptr; }
  // Seen from outside, on a grid or not.
  [[nodiscard]] bool visible(ir::ValueId id) const { return observed(id) || graph_.is_output(id); }
  // Changed after it is made: by its grid, or by a SuffixSession.
  [[nodiscard]] bool altered(ir::ValueId id) const { return encoding(id) != nullptr || (options_.keep_values && observed(id)); }
  [[nodiscard]] bool same_grid(ir::ValueId a, ir::ValueId b) const;
  // Whether anything but `reader` wants the value.
  [[nodiscard]] bool needed_elsewhere(ir::ValueId id, const ir::Node& reader) const;

 private:
  const ir::Graph& graph_;
  const ExecOptions& options_;
  std::set<ir::ValueId> observed_;
  bool integer_;
};

}  // namespace qtool::exec
