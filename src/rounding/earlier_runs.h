// What names a run, and taking over what one has found before.
#pragma once

#include <string>

#include "layer_site.h"
#include "qtool/data/sample_source.h"
#include "qtool/rounding/adaround.h"
#include "qtool/rounding/rounding_memory.h"

namespace qtool::rounding {

// Whatever changes the levels: options, and the parameters and `grids` that the run starts from. Model, bit widths, calibration
// and earlier stages are all in there.
[[nodiscard]] std::string run_key(const AdaroundOptions& options, const ir::Graph& graph, const model::EncodingTable& grids);

// The walk rounds no activation, so it does not see their grids; only whether layers get more than the bits asked for is judged
// with them. Empty: this run cannot be taken over.
[[nodiscard]] std::string memory_key(const model::ModelState& state, const LayerList& layers, const data::SampleSource& source, const AdaroundOptions& options);

[[nodiscard]] RoundedModel remembered(const model::ModelState& state, const LayerList& layers, AdaroundReport report);
void take_over(const RoundedModel& model, const LayerList& layers, model::ModelState& state);

}  // namespace qtool::rounding
