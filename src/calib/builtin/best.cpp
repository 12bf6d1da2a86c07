// best: one method for all activations, the one that leaves the least noise at the outputs of the whole simulated model on
// calibration samples kept aside. The pipeline chooses (pipeline/method_comparison.h); a tensor alone cannot, so this range
// is the one with the least noise of its own.
#include "qtool/calib/registry.h"
#include "range_search.h"

namespace qtool::calib {

void register_best(Registry& registry) {
  registry.add({.name = "best",
                .summary = "one method for all activations, chosen by output noise in simulation; no labels needed",
                .minimizes_noise = true,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return least_noise_range(statistics, spec, 1.0);
                }});
}

}  // namespace qtool::calib
