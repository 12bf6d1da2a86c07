// Weight and bias of convolutions and matrix products as static tensors.
#pragma once

#include <string>
#include <vector>

#include "dlc/node_lowering.h"

namespace qtool::exporters::dlc {

struct WeightedOperands {
  size_t weight_slot = 1;
  const Tensor* bias = nullptr;       // elements [out_channels]; null: zeros are written
  ir::ValueId bias_value = ir::kNoValue;  // whose encoding and name it takes
  StaticLayout weight_layout;
  int32_t weight_axis = 3;            // stored position of the output channels
  int64_t out_channels = 0;
};

// Names of weight and bias. `input` is the tensor that the weight meets, already in the node's arithmetic: its scale
// decides the scale of a 32-bit bias.
[[nodiscard]] std::vector<std::string> write_weight_and_bias(NodeLowering& n, const std::string& input,
                                                             const WeightedOperands& operands);

}  // namespace qtool::exporters::dlc
