// The table of optimization stages, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "qtool/pipeline/quantize.h"

namespace qtool::cli {

void print_stage_table(const pipeline::QuantizeSummary& summary);
[[nodiscard]] nlohmann::ordered_json stages_json(const pipeline::QuantizeSummary& summary);

}  // namespace qtool::cli
