// Biases behind rounded activations.
//
// Layers are rounded beside a prefix whose activations are real numbers. Rounding and clipping of activations moves means as
// well: on yolov8n, 8 bits, by so much that exact weights are 5 dB worse than coarse ones whose own shifts happen to oppose it.
// So once all weights are on their grids the model is walked through again, simulated as a whole, and every bias takes up the
// mean of what its layer's output has lost. Only the means: making up for single values is unstable.
#pragma once

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "qtool/rounding/adaround.h"
#include "sampling.h"

namespace qtool::rounding {

struct SettledBiases {
  model::ModelState state;
  size_t layers = 0;  // whose bias has moved
};

// b += mean over sampled pixels of t - (W x + b), shrunk as far as images disagree about it, in topological order; t: output of
// `reference`, x: inputs in the simulation of the model as it is then. A layer keeps its bias where the error behind its activation, on images kept aside, does not fall.
// `source` has at least four samples. Throws what loading a sample throws.
[[nodiscard]] SettledBiases settle_biases(const ir::Graph& reference, const model::ModelState& rounded, const std::vector<LayerSite>& sites,
                                          const data::SampleSource& source, const ImageOrder& order, const AdaroundOptions& options, Reporter& reporter);

}  // namespace qtool::rounding
