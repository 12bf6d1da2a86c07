// What a precision costs on hardware of the Hexagon class, relative to the same model with 8 bits everywhere.
//
// Not milliseconds: of chips nobody here has measured only the ratio of rates is assumed. The rates are data, a part of the
// target profile (docs/profiles.md). Tensors weigh with the bytes that move; a conversion reads and writes one once more.
#pragma once

#include <cstdint>

#include "qtool/model/cost_rates.h"
#include "qtool/model/model_state.h"

namespace qtool::optimize {

struct Cost {
  double macs = 0.0, bytes = 0.0, weights = 0.0, converts = 0.0;  // weighted by the rates, in 8x8 multiplications
  int64_t convert_count = 0;
  [[nodiscard]] double total() const { return macs + bytes + weights + converts; }
};

// Of the graph on its encodings; values without one are float.
[[nodiscard]] Cost model_cost(const model::ModelState& state, const model::CostRates& rates = {});

// Cost of `state` over that of the same graph with 8-bit activations and weights throughout.
[[nodiscard]] double relative_cost(const model::ModelState& state, const model::CostRates& rates = {});

// Tensors with more than 8 bits.
struct WideTensors {
  size_t activations = 0, weights = 0;
};
[[nodiscard]] WideTensors wide_tensors(const model::ModelState& state);

}  // namespace qtool::optimize
