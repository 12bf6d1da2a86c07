// `--optimizations selective` in the pipeline: calibrates, lets optimize::choose_precision decide, and tells what was found.
#pragma once

#include <functional>

#include "qtool/optimize/choose_precision.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

class SharedWork;

// Plans a model with these widths of some activations and weights.
using PlanFunction = std::function<void(model::ModelState&, const optimize::TensorBits&)>;

// `floats` is the cleaned float model; `plan` plans it as the rest of the run will. Some samples are kept aside to judge by.
// Without "selective" among the optimizations only the head is treated ("head").
[[nodiscard]] optimize::PrecisionResult select_precision(const QuantizeConfig& config, const model::ModelState& floats, const PlanFunction& plan,
                                                         const data::SampleSource& source, const model::TargetProfile& profile, SharedWork* shared, Reporter& reporter);

// In a plan with these widths: gives the constants that such operators compute with the same width.
void widen_constants(const optimize::TensorBits& bits, model::ModelState& state);

// The tensors of --wide-activations and --wide-weights. Throws Error(kUsage) for a name that the model does not have.
[[nodiscard]] optimize::TensorBits wide_tensors(const QuantizeConfig& config, const ir::Graph& graph);

// The search as rows of the stage table.
[[nodiscard]] std::vector<optimize::StageRow> precision_rows(const ir::Graph& graph, const optimize::PrecisionResult& precision);

}  // namespace qtool::pipeline
