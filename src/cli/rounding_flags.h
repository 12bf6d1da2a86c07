// The options of --optimizations adaround.
#pragma once

#include "quantization_flags.h"

namespace qtool::cli {

void add_rounding(CLI::App& app, QuantizationFlags& flags, pipeline::QuantizeConfig& config);
void settle_rounding(const QuantizationFlags& flags, pipeline::QuantizeConfig& config);

}  // namespace qtool::cli
