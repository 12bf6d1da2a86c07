// Ranges seen on synthetic pictures (data/synthetic_images.h), made wide enough for photographs.
#pragma once

#include "qtool/calib/calibrator.h"
#include "qtool/ir/graph.h"

namespace qtool::optimize {

// Ranges times 1.1, and in classifiers times 2 behind the last learned layers: no synthetic picture shows anything that the model was
// taught to find, so logits stay low (SqueezeNet 1.1: 70 % agreement becomes 92 %). Inputs keep theirs, and a Clip's output stays
// within its bounds.
[[nodiscard]] calib::CalibrationResult with_synthetic_margin(const ir::Graph& graph, calib::CalibrationResult seen);

}  // namespace qtool::optimize
