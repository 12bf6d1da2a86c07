// Notices a wrong input normalisation: activations far outside what the folded batch-norm statistics expect.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/model/model_state.h"

namespace qtool::pipeline {

// Layers, in graph order, whose observed range is several times wider than mean +- 8 deviations allows for any channel.
[[nodiscard]] std::vector<std::string> layers_outside_batch_norm(
    const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics);

// How many layers could be compared.
[[nodiscard]] size_t comparable_layers(const model::ModelState& state,
                                       const std::map<ir::ValueId, calib::TensorStatistics>& statistics);

}  // namespace qtool::pipeline
