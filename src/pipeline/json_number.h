// Numbers in JSON, which has no infinity and no NaN.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace qtool::pipeline {

[[nodiscard]] inline nlohmann::ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace qtool::pipeline
