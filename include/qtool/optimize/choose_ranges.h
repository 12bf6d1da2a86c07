// `--act_quantizer_calibration auto`, and with less effort `best`: the range of an activation by what it does to the outputs.
//
// In the float model one quantizer is on at a time; of several ranges (min-max, percentiles, mse, sqnr) the one stays that
// leaves the least noise at the outputs, measured on calibration samples that the statistics have not seen. No method is
// best everywhere: on MobileNetV2 late blocks want the 99.9th percentile and early ones the 99.99th or 99.999th, and all
// choices together are worth 2 dB. Ranges of different tensors are chosen apart from each other: noise powers add.
//
// The ranges at hand (those of the best single method) are left only for clear gains on most samples, and only where a tensor
// makes a share of the noise: choices by luck, one a tensor, cost a detector with few samples more than all gains together.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/support/reporter.h"

namespace qtool::optimize {

struct RangeChoiceOptions {
  int threads = 1;
  int64_t samples = 32;      // of those kept aside; fewer when the model is large
  double work = 6e12;        // multiplications to spend, about; decides the number of samples
};

struct TriedRange {
  std::string method;        // "min-max", "percentile 99.99", ...
  quant::Range range;
  double cost_db = 0.0;      // output noise with this quantizer alone; higher is better
};

struct RangeChoices {
  passes::ChosenRanges chosen;                           // by leader
  std::map<ir::ValueId, std::vector<TriedRange>> tried;  // best first
  int64_t samples = 0;                                   // 0: too few, or too dear, to choose by
  int64_t changed = 0;                                   // tensors that left the range at hand
};

// `at_hand`: by leader; min-max where it has none. `held_out` must not be among the samples of the statistics, which need histograms. Leaders with 16 bits or a single
// candidate keep theirs.
[[nodiscard]] RangeChoices choose_ranges(const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics,
                                         const passes::ChosenRanges& at_hand, const data::SampleSource& held_out,
                                         const RangeChoiceOptions& options, Reporter& reporter);

// Tensors behind which nothing is learned any more, logits and raw boxes: they keep min-max, cut at the flat part where only
// Sigmoids read them. So do tensors of 16 bits: they have levels enough for every outlier. By leader; needs histograms.
[[nodiscard]] passes::ChosenRanges decision_ranges(const model::ModelState& state, const std::map<ir::ValueId, calib::TensorStatistics>& statistics);

}  // namespace qtool::optimize
