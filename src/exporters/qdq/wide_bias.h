// A bias on 8-bit levels of its own, as a QDQ graph holds it.
#pragma once

#include <optional>

#include "qtool/model/model_state.h"

namespace qtool::exporters {

struct WideBias {
  Tensor values;             // what the narrow grid keeps
  quant::Encoding encoding;  // int32, scale input x weight
};

// ONNX Runtime and its providers compute on integers only where the bias is int32 with the scale input x weight, and a
// DSP with 8-bit biases rescales them to that grid itself. nullopt when the constant is no such bias, when input or
// weight have no grid, or when int32 cannot hold a value.
[[nodiscard]] std::optional<WideBias> widened_bias(const model::ModelState& state, ir::ValueId id);

}  // namespace qtool::exporters
