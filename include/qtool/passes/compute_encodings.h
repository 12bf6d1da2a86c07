// From plan and statistics to encodings: weights, activations, then what follows from them (shared grids, biases).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/calib/registry.h"
#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"

namespace qtool::passes {

struct EncodingNotes {
  std::vector<std::string> no_statistics;   // planned activations that calibration never saw
  std::vector<std::string> degenerate;      // ranges below the minimum range
  std::vector<std::string> dead_channels;   // "tensor: k of n channels"
  std::vector<std::string> non_finite;      // tensors with NaN or infinity on calibration data
  std::vector<std::string> bias_overflow;   // weight scale enlarged so that the int32 bias fits
  std::vector<std::string> bias_clipped;    // int32 biases that do not fit: the guard is off, or the weight is frozen
  std::vector<std::string> concat;          // what the ranges of Concat inputs led to, one line an operator
  std::vector<std::string> concat_dead;     // Concat inputs whose values all become zero on the grid of the output

  // What an 8-bit bias costs: its rounding error is added to every output of the channel.
  struct NarrowBias {
    std::string name;
    double sqnr_db = 0.0;              // of the bias values
    double worst_output_levels = 0.0;  // largest error in levels of the layer's output grid; 0 when it has none
  };
  std::vector<NarrowBias> narrow_biases;
};

// Ranges decided elsewhere, by leader; stronger than the method. `source` goes into the encoding's entry.
struct ChosenRange {
  quant::Range range;
  std::string source;
};
using ChosenRanges = std::map<ir::ValueId, ChosenRange>;

// Float activations that calibration must observe for this plan: the leaders without a prescribed range, and the inputs of
// tied operators, whose ranges decide whether they stay tied.
[[nodiscard]] std::vector<ir::ValueId> observed_values(const model::ModelState& state);

// `profile` gives the rules for Concat inputs of different ranges and for biases that do not fit int32; without it
// nothing is untied and the guard is on. Frozen encodings stay. `threads` look for ranges, tensor by tensor.
[[nodiscard]] EncodingNotes compute_encodings(model::ModelState& state,
                                              const std::map<ir::ValueId, calib::TensorStatistics>& statistics,
                                              const calib::Method& activation_method, const calib::Method& weight_method,
                                              const calib::MethodOptions& method_options = {}, const ChosenRanges& chosen = {},
                                              const model::TargetProfile* profile = nullptr, int threads = 1);

}  // namespace qtool::passes
