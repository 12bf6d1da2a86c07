// Rates of the cost model as data: the key "cost" of a profile, or a file of --cost-model.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "qtool/model/cost_rates.h"

namespace qtool::pipeline {

// The rates that `json` names; others keep their value. Throws Error(kInvalidData) naming the key.
void read_cost_rates(const nlohmann::json& json, model::CostRates& rates);

// A file of the form {"schema": 1, "name": "...", "cost": {...}}; a profile will do too. Throws Error naming file and key.
[[nodiscard]] model::CostRates load_cost_rates(const std::filesystem::path& file, model::CostRates base);

[[nodiscard]] nlohmann::ordered_json cost_rates_json(const model::CostRates& rates);

}  // namespace qtool::pipeline
