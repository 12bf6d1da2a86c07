// What scattering does with an element that is already there.
#pragma once

#include <cmath>
#include <string>

#include "typed_kernel.h"

namespace qtool::ops {

enum class ScatterReduction : uint8_t { kReplace, kAdd, kMultiply, kMax, kMin };

[[nodiscard]] inline ScatterReduction scatter_reduction(const ir::Node& node) {
  const std::string name = node.attr_string("reduction", "none");
  if (name == "none") return ScatterReduction::kReplace;
  if (name == "add") return ScatterReduction::kAdd;
  if (name == "mul") return ScatterReduction::kMultiply;
  if (name == "max") return ScatterReduction::kMax;
  if (name == "min") return ScatterReduction::kMin;
  invalid_model("attribute reduction is '{}', expected none, add, mul, max or min", name);
}

template <class T>
void scatter_into(T& slot, T update, ScatterReduction reduction) {
  const auto old_value = static_cast<Compute<T>>(slot), value = static_cast<Compute<T>>(update);
  switch (reduction) {
    case ScatterReduction::kReplace: slot = update; return;
    case ScatterReduction::kAdd: slot = static_cast<T>(wrapping_add(old_value, value)); return;
    case ScatterReduction::kMultiply: slot = static_cast<T>(wrapping_multiply(old_value, value)); return;
    case ScatterReduction::kMax: if (value > old_value) slot = update; return;
    case ScatterReduction::kMin: if (value < old_value) slot = update; return;
  }
}

}  // namespace qtool::ops
