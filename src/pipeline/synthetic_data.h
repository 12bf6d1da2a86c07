// `--data-free` on models whose batch norms are gone: pictures made up in the place of samples.
#pragma once

#include "calibration_data.h"
#include "qtool/model/model_state.h"

namespace qtool::pipeline {

// Whether batch-norm statistics are known for fewer than half of the convolutions, and the only input is a picture. Exporters fold
// batch norms into the weights; ranges estimated from weights alone are then off by factors (MobileNetV2: 14 % top-1).
[[nodiscard]] bool wants_synthetic_images(const model::ModelState& state, const DataOptions& options);

[[nodiscard]] CalibrationData synthetic_calibration_data(const DataOptions& options, const ir::Graph& graph, int threads, Reporter& reporter);

}  // namespace qtool::pipeline
