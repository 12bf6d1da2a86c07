// Which quantizers to widen, from what each does to the outputs alone and from what it costs.
#pragma once

#include <vector>

#include "qtool/model/cost_rates.h"
#include "qtool/model/model_state.h"
#include "qtool/optimize/output_measure.h"

namespace qtool::optimize {

constexpr int kNarrowBits = 8;

// A quantizer of the activations, every value that takes its grid being a member; or the weight of a layer, the only member.
struct NarrowQuantizer {
  ir::ValueId leader = ir::kNoValue;
  std::vector<ir::ValueId> members;
  OutputNoise noise = {};                // alone, in the float model
  ir::ValueId reads = ir::kNoValue;      // of a weight: leader of what its layer reads, which has to be wide as well
  [[nodiscard]] bool is_weight() const { return reads != ir::kNoValue; }
};

struct WideLimits {
  int bits = 16;
  double least_gain_db = 0.1;  // price of one more wide quantizer
  double most_cost = 1.05;     // relative to all 8-bit (cost_model.h)
  double target_db = 40.0;     // nothing is widened past it
  model::CostRates rates = {};
};

// Noise powers add: the score of a set is predicted from the quantizers left narrow and `floor`, what is left when all are
// wide. `floor` holds the noise of all weights together; each has its part of that. Two orders are tried, worst first and most
// gain for its cost; of their beginnings the one with the best predicted score less the prices stays (several quantizers that
// spoil the same output only pay off together). A weight brings along what its layer reads.
// Returns indices into `quantizers`, in the order of the choice.
[[nodiscard]] std::vector<size_t> select_wide(const model::ModelState& state, const std::vector<NarrowQuantizer>& quantizers, const OutputNoise& floor,
                                              const std::vector<OutputBlock>& blocks, const WideLimits& limits);

}  // namespace qtool::optimize
