// The result of `qtool analyze` as a report document: the page and --json show the same.
#pragma once

#include <string>

#include "qtool/pipeline/analyze.h"
#include "quantized_model.h"

namespace qtool::pipeline {

[[nodiscard]] std::string analyze_page(const AnalyzeConfig& config, const AnalyzeResult& result, const QuantizedModel& quantized,
                                       Reporter& reporter);

}  // namespace qtool::pipeline
