// From plan and statistics to encodings: weights, activations, then what follows from them (shared grids, biases).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/calib/registry.h"
#include "qtool/model/model_state.h"

namespace qtool::passes {

struct EncodingNotes {
  std::vector<std::string> no_statistics;   // planned activations that calibration never saw
  std::vector<std::string> degenerate;      // ranges below the minimum range
  std::vector<std::string> dead_channels;   // "tensor: k of n channels"
  std::vector<std::string> non_finite;      // tensors with NaN or infinity on calibration data
  std::vector<std::string> bias_overflow;   // weight scale enlarged so that the int32 bias fits
};

// Ranges decided elsewhere, by leader; stronger than the method. `source` goes into the encoding's entry.
struct ChosenRange {
  quant::Range range;
  std::string source;
};
using ChosenRanges = std::map<ir::ValueId, ChosenRange>;

// Float activations that calibration must observe for this plan: the leaders without a prescribed range. The leader of a
// tied group is the output that joins its members, so its range covers theirs.
[[nodiscard]] std::vector<ir::ValueId> observed_values(const model::ModelState& state);

[[nodiscard]] EncodingNotes compute_encodings(model::ModelState& state,
                                              const std::map<ir::ValueId, calib::TensorStatistics>& statistics,
                                              const calib::Method& activation_method, const calib::Method& weight_method,
                                              const calib::MethodOptions& method_options = {}, const ChosenRanges& chosen = {});

}  // namespace qtool::passes
