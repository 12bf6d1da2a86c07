// Working without samples.
#pragma once

#include <memory>

#include "moment_flow.h"
#include "qtool/calib/calibrator.h"
#include "qtool/data/sample_source.h"
#include "qtool/optimize/stage.h"

namespace qtool::optimize {

using InputMoments = std::map<std::string, ChannelMoments>;  // by name of model input

// Seeded normal inputs, for checks of the float function only.
[[nodiscard]] std::unique_ptr<data::SampleSource> synthetic_samples(const ir::Graph& graph, const InputMoments& inputs);

// Moments of the inputs and outputs of layers, see moment_flow.h.
[[nodiscard]] Statistics statistics_without_samples(const model::ModelState& state, const InputMoments& inputs);

// Ranges of the planned values: mean -+ 6 deviations of every channel, cut by activations.
[[nodiscard]] calib::CalibrationResult ranges_without_samples(const model::ModelState& state, const InputMoments& inputs);

}  // namespace qtool::optimize
