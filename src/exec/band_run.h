// Runs a banded block (banded_block.h).
#pragma once

#include "band_plan.h"
#include "qtool/exec/kernel.h"

namespace qtool::exec {

void run_bands(const BandPlan& plan, const KernelArgs& args);

}  // namespace qtool::exec
