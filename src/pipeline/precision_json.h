// What --optimizations selective found and decided, for report.json.
#pragma once

#include <nlohmann/json.hpp>

#include "qtool/optimize/choose_precision.h"

namespace qtool::pipeline {

[[nodiscard]] nlohmann::ordered_json precision_json(const ir::Graph& graph, const optimize::PrecisionResult& precision);

}  // namespace qtool::pipeline
