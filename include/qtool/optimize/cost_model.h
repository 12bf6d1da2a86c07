// What a precision costs on hardware of the Hexagon class, relative to the same model with 8 bits everywhere.
//
// Not milliseconds: of chips nobody here has measured only the ratio of rates is known. Multiplications of 16-bit
// activations run at half the rate, float at a quarter; tensors weigh with the bytes that move; a conversion reads and
// writes a tensor once more.
#pragma once

#include <map>

#include "qtool/model/model_state.h"

namespace qtool::optimize {

struct CostRates {
  double mac_8x8 = 1.0;     // relative cost of one multiplication, activation x weight bits
  double mac_16x8 = 2.0;
  double mac_16x16 = 4.0;
  double mac_8x4 = 1.0;
  double mac_float = 4.0;
  double byte = 8.0;        // multiplications that moving one byte costs
};

struct Cost {
  double macs = 0.0, bytes = 0.0, converts = 0.0;  // weighted by the rates, in 8x8 multiplications
  int64_t convert_count = 0;
  [[nodiscard]] double total() const { return macs + bytes + converts; }
};

// Of the graph on its encodings; values without one are float.
[[nodiscard]] Cost model_cost(const model::ModelState& state, const CostRates& rates = {});

// Cost of `state` over that of the same graph with 8-bit activations and weights throughout.
[[nodiscard]] double relative_cost(const model::ModelState& state, const CostRates& rates = {});

}  // namespace qtool::optimize
