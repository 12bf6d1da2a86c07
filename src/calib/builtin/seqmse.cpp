// SeqMSE as a name for --param_quantizer_calibration: the search needs the outputs of layers and is a stage of its own
// (optimize/builtin/adaround.cpp); it starts from the whole range.
#include "qtool/calib/registry.h"

namespace qtool::calib {

void register_seqmse(Registry& registry) {
  registry.add({.name = "seqmse",
                .summary = "weights only: of 20 shares of the range the one with the least error of the layer's output",
                .needs_histogram = false,
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec&, const MethodOptions&) { return statistics.range; }});
}

}  // namespace qtool::calib
