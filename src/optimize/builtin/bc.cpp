// Bias correction: rounded weights shift the mean of every output; the bias takes the shift back.
// FORMULA  b[o] -= sum over i, t of (W~ - W)[o, i, t] E[x_i under tap t]
//          E from one walk of the float model over the samples (borders and strides included), or, data-free, from folded
//          batch norms: the mean of a normal variable behind its activation.
// REQUIRES a bias of at least 16 bits: on an 8-bit grid the correction is rounded away and may do harm.
// SOURCE   Nagel et al. 2019, "Data-Free Quantization", section 4.2. The input is the float one: corrections measured behind
//          clipped activations follow the clipping, and a later layer pays for it.
#include "bias_correction.h"
#include "qtool/optimize/registry.h"
#include "qtool/support/format.h"

namespace qtool::optimize {

namespace {

StageOutcome correct(Candidate& candidate, const StageContext&) {
  const BiasCorrectionCounts counts = correct_biases(candidate);
  StageOutcome outcome{.changes = counts.corrected};
  outcome.counts = {{"layers", counts.corrected}, {"layers without a place for a bias", counts.without_bias},
                    {"layers without statistics", counts.without_statistics}};
  return outcome;
}

}  // namespace

void register_bc(Registry& registry) {
  registry.add({.name = "bc",
                .summary = "bias correction: takes the mean error of rounded weights back in the biases",
                .order = 100,
                .kind = StageKind::kCorrecting,
                .preview = true,
                .apply = correct});
}

}  // namespace qtool::optimize
