// auto: for each tensor the method that serves it best. For weights that is the one with the least noise. For activations
// the pipeline measures what each candidate does to the model's outputs (optimize/choose_ranges.h); this range, the least
// noise of the tensor itself, stands in for tensors that cannot be measured.
#include "qtool/calib/registry.h"
#include "range_search.h"

namespace qtool::calib {

void register_auto(Registry& registry) {
  registry.add({.name = "auto",
                .summary = "for each tensor the method with the least noise: activations judged at the model's outputs",
                .minimizes_noise = true,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return least_noise_range(statistics, spec, 1.0);
                }});
}

}  // namespace qtool::calib
