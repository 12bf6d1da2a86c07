// The HTML page of `qtool quantize --html`.
#pragma once

#include <string>

#include "qtool/exec/executor.h"
#include "report.h"
#include "report_document.h"

namespace qtool::pipeline {

struct QuantizePageInputs {
  const ReportInputs& report;
  const std::string& report_json;             // as written; the page repeats what a rerun needs
  const ChannelRanges& weights_before;        // as loaded
  const exec::Executor& reference;            // the float model as loaded
};

// "stages": the table of the optimizations, without times, so that equal runs give equal pages.
[[nodiscard]] nlohmann::json stages_part(const std::vector<optimize::StageRow>& rows);

[[nodiscard]] std::string quantize_page(const QuantizePageInputs& inputs, Reporter& reporter);

}  // namespace qtool::pipeline
