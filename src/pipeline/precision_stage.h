// `--optimizations selective` in the pipeline: calibrates, lets optimize::choose_precision decide, and tells what was found.
#pragma once

#include <functional>

#include "qtool/optimize/choose_precision.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

class SharedWork;

using PlanFunction = std::function<void(model::ModelState&)>;

// `floats` is the cleaned float model; `plan` plans it as the rest of the run will. Some samples are kept aside to judge by.
[[nodiscard]] optimize::PrecisionResult select_precision(const QuantizeConfig& config, const model::ModelState& floats, const PlanFunction& plan,
                                                         const data::SampleSource& source, SharedWork* shared, Reporter& reporter);

// Gives these quantizer groups their widths in the plan, and the constants that their operators compute with.
void widen_activations(const optimize::PrecisionResult& precision, model::ModelState& state);

// The search as rows of the stage table.
[[nodiscard]] std::vector<optimize::StageRow> precision_rows(const ir::Graph& graph, const optimize::PrecisionResult& precision);

}  // namespace qtool::pipeline
