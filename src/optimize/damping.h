// Equal weight ranges are not the aim: a channel that is scaled down loses steps of its activation grid. Set by set, factors
// s become s^a with the a of 0, 1/4, 1/2, 3/4, 1 that promises the least noise.
#pragma once

#include <vector>

#include "channel_sets.h"
#include "qtool/optimize/statistics.h"
#include "weight_ranges.h"

namespace qtool::optimize {

// Noise power at the outputs of a set's readers, in units of the float function, relative to their own power, 8-bit per-tensor
// grids of step D = range / 255, s the factors of the set's channels i, W2 the reader's weights, var the variances of inputs:
//   sum_i |W2[:, i]|^2 s_i^2 (D_writer^2 sum var(x_writer) + D_activation^2) / 12 + D_reader^2 / 12 sum_i var(x_i) / s_i^2
// Means are left out: bias correction removes them. Returns the number of sets with a < 1; `factors` and `ranges` are changed.
int64_t damp_factors(const ir::Graph& graph, const ChannelSets& sets, const std::vector<const ChannelSet*>& chosen,
                     const Statistics& statistics, std::vector<WeightRanges>& ranges, std::vector<double>& factors);

}  // namespace qtool::optimize
