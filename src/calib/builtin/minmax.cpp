// min-max: the observed bounds as they are (AIMET "tf", the default of Qualcomm's quantizer).
#include "qtool/calib/registry.h"

namespace qtool::calib {

void register_minmax(Registry& registry) {
  registry.add({.name = "min-max",
                .summary = "observed minimum and maximum",
                .needs_histogram = false,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec&, const MethodOptions&) {
                  return statistics.range;
                }});
}

}  // namespace qtool::calib
