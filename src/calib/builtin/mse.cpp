// mse: the range with the least mean squared error.
#include "qtool/calib/registry.h"
#include "range_search.h"

namespace qtool::calib {

void register_mse(Registry& registry) {
  registry.add({.name = "mse",
                .summary = "least mean squared error",
                .minimizes_noise = true,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return least_noise_range(statistics, spec, 1.0);
                }});
}

}  // namespace qtool::calib
