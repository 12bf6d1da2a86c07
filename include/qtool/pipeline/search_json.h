// The record of a search for report.json, the terminal and the page.
#pragma once

#include <nlohmann/json.hpp>

#include "qtool/optimize/optimize.h"
#include "qtool/pipeline/search_record.h"

namespace qtool::pipeline {

// Without times, which differ from run to run.
[[nodiscard]] nlohmann::ordered_json search_json(const SearchRecord& record);

// The steps as rows of the stage table.
[[nodiscard]] std::vector<optimize::StageRow> search_rows(const SearchRecord& record);

}  // namespace qtool::pipeline
