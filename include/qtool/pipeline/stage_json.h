// One row of the stage table as it stands in report.json.
#pragma once

#include <nlohmann/json.hpp>

#include "qtool/optimize/optimize.h"

namespace qtool::pipeline {

// Without times: equal input gives equal bytes.
[[nodiscard]] nlohmann::ordered_json stage_json(const optimize::StageRow& row);

}  // namespace qtool::pipeline
