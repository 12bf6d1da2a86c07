// Checks a DLC before it is written. The runtimes check little themselves: many wrong files are accepted and
// compute garbage, some end the process (DLC container notes, sections 11.2 to 11.4).
#pragma once

#include "qtool/container/dlc_model.h"

namespace qtool::container {

// Throws Error(kInvalidModel) with the graph, op and tensor of the first thing that a reader would refuse, misread
// or crash on:
//   tensors  empty or repeated names, unknown types, byte length other than dims x type, roles that contradict
//            producers and consumers
//   encodings missing on fixed point, scale not finite and positive, offset outside the code range, channel count,
//            per-axis with offsets
//   ops      empty or repeated names, order, inputs and outputs that are not listed, required parameters, usage
//   rules    bias and weight encodings of one kind, ops that copy codes need equal encodings, ReLU fused into its
//            producer, ReluMinMax limits, operand widths
void verify_dlc(const DlcFile& file);

}  // namespace qtool::container
