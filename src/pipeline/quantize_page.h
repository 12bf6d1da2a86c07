// The HTML page of `qtool quantize --html`.
#pragma once

#include <string>

#include "report.h"
#include "report_document.h"

namespace qtool::pipeline {

struct QuantizePageInputs {
  const ReportInputs& report;
  const std::string& report_json;             // as written; the page repeats what a rerun needs
  const ChannelRanges& weights_before;        // as loaded
};

[[nodiscard]] std::string quantize_page(const QuantizePageInputs& inputs, Reporter& reporter);

}  // namespace qtool::pipeline
