// Working without samples: moments and ranges from folded batch norms, carried through the graph.
#pragma once

#include <memory>

#include "qtool/calib/calibrator.h"
#include "qtool/data/sample_source.h"
#include "qtool/optimize/stage.h"

namespace qtool::optimize {

// Seeded normal inputs, for checks of the float function only.
[[nodiscard]] std::unique_ptr<data::SampleSource> synthetic_samples(const ir::Graph& graph);

// Moments of every layer's output and input. Behind a folded batch norm they are its beta and gamma; elsewhere they follow
// from the moments of the inputs, taken as independent; model inputs count as standard normal.
[[nodiscard]] Statistics statistics_from_batch_norm(const model::ModelState& state);

// Ranges of the planned values: mean -+ 6 deviations of every channel, cut by activations.
[[nodiscard]] calib::CalibrationResult ranges_from_statistics(const Candidate& candidate);

}  // namespace qtool::optimize
