// What rounding the weights does to the mean of every output, and taking it back in the bias.
#pragma once

#include <cstdint>
#include <vector>

#include "qtool/optimize/stage.h"

namespace qtool::optimize {

// E[(W~ - W) x] by output channel, x being the float input. W~ lies on `encoding`.
[[nodiscard]] std::vector<double> mean_output_error(const ir::Graph& graph, const Layer& layer, const quant::Encoding& encoding,
                                                    const std::vector<double>& tap_means);

struct BiasCorrectionCounts {
  int64_t corrected = 0;
  int64_t without_bias = 0;        // no constant to put the correction into
  int64_t without_statistics = 0;
};

// Subtracts mean_output_error from the bias of every layer whose weight has an encoding.
BiasCorrectionCounts correct_biases(Candidate& candidate);

}  // namespace qtool::optimize
