// The activation behind a layer: errors are judged after it, because what it cuts off costs nothing.
#pragma once

#include <cstdint>
#include <span>

#include "qtool/ir/graph.h"

namespace qtool::rounding {

struct Activation {
  enum class Kind : uint8_t { kNone, kRelu, kClip, kLeakyRelu, kSigmoid, kSilu, kHardSwish, kTanh } kind = Kind::kNone;
  float lo = 0.0f, hi = 0.0f;  // kClip
  float slope = 0.0f;          // kLeakyRelu
};

// The element-wise function that alone reads `value` (x * sigmoid(x) included); kNone when there is none we know.
[[nodiscard]] Activation activation_after(const ir::Graph& graph, ir::ValueId value);

void activate(const Activation& activation, std::span<float> values);
// Derivative at the pre-activation x, 0 where the function is cut off; for gradient methods.
[[nodiscard]] float derivative(const Activation& activation, float x);

}  // namespace qtool::rounding
