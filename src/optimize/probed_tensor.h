// A tensor whose range is being chosen, and what is known about its candidates.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/model/model_state.h"
#include "qtool/optimize/output_measure.h"
#include "qtool/passes/compute_encodings.h"
#include "range_candidates.h"

namespace qtool::optimize {

struct ProbedTensor {
  ir::ValueId leader;
  const calib::TensorStatistics* statistics = nullptr;
  std::vector<ir::ValueId> members;
  std::vector<RangeCandidate> candidates;  // the range at hand first
  std::vector<OutputNoise> noise;          // by candidate
  std::vector<std::vector<double>> costs;  // by candidate, then sample
  std::vector<bool> alive;
  double suffix_work = 0.0;                // multiplications behind the tensor
  bool clips = true;                       // false: min-max only
  double min_gain = 1.0;                   // noise amplitude of the range at hand over that of a better one

  // A choice among one is none.
  [[nodiscard]] bool has_choice() const { return std::count(alive.begin(), alive.end(), true) > 1; }
  void give_up() { alive.assign(alive.size(), false); }
};

// Observed tensors of less than 16 bits that have histograms, in the order of the graph, without candidates.
[[nodiscard]] std::vector<ProbedTensor> narrow_tensors(const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics);

[[nodiscard]] std::vector<RangeCandidate> candidates_for(const ProbedTensor& tensor, const model::ModelState& state);

// Those with candidates, all alive. `at_hand`: by leader; min-max where it has none.
[[nodiscard]] std::vector<ProbedTensor> tensors_to_probe(const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics,
                                                         const passes::ChosenRanges& at_hand, int threads);

// A grid for a candidate's range.
[[nodiscard]] quant::Encoding grid_of(const ProbedTensor& tensor, const RangeCandidate& candidate, const model::ModelState& state);

}  // namespace qtool::optimize
