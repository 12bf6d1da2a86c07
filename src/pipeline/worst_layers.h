// "worst_layers" of a report document where no sensitivity was measured: rules of thumb over ranges and histograms.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report_document.h"

namespace qtool::pipeline {

struct LayerFinding {
  std::string name;        // tensor
  std::string op;          // that makes it; empty for inputs and constants
  std::string kind, cause, option;
  double severity = 0.0;   // see Diagnosis
};

// Everything that stands out, worst first, one a grid.
[[nodiscard]] std::vector<LayerFinding> find_worst_layers(const model::ModelState& state, const Statistics& statistics);

[[nodiscard]] nlohmann::json finding_json(const LayerFinding& finding);

}  // namespace qtool::pipeline
