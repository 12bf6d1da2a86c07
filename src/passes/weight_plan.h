// The wanted grid of one weight, and the widths that a profile allows an operator.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qtool/passes/plan_quantization.h"

namespace qtool::passes {

struct WeightRequest {
  const ir::Node& node;
  const Shape& shape;
  const std::string& name;
  bool wide_input = false;        // the layer reads 16-bit activations
  const BlockRule& blocks;
  int64_t channel_axis = 0;       // of the output channels, negative counts from the end
  std::optional<int> by_hand;     // bits
};

// Throws Error(kUsage) when the width asked for by hand is not one of the operator's.
[[nodiscard]] quant::QuantSpec weight_spec(const WeightRequest& request, const model::TargetProfile& profile, PlanNotes& notes);

// The nearest width that the profile allows the operator; told in `limited` when it is another one. Throws as above.
[[nodiscard]] int allowed_activation_bits(const ir::Node& node, int wanted, bool by_hand, const model::TargetProfile& profile,
                                          std::vector<std::string>& limited);

}  // namespace qtool::passes
