// sqnr (AIMET "tf_enhanced", Qualcomm "enhanced"): least expected noise, clipped values three times as bad.
// Unlike those it keeps every value of every batch (no range fixed by the first one) and treats all-zero tensors as min-max.
#include "qtool/calib/registry.h"
#include "range_search.h"

namespace qtool::calib {

void register_sqnr(Registry& registry) {
  constexpr double kGamma = 3.0;  // AIMET's penalty of saturation
  registry.add({.name = "sqnr",
                .summary = "least quantization noise, saturation weighing three times (tf_enhanced)",
                .minimizes_noise = true,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return least_noise_range(statistics, spec, kGamma);
                }});
}

}  // namespace qtool::calib
