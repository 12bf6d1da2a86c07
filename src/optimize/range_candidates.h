// The ranges worth trying for one activation.
#pragma once

#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/quant/encoding.h"

namespace qtool::optimize {

struct RangeCandidate {
  std::string method;
  quant::Range range;
};

struct CandidateRules {
  bool clip = true;               // false: min-max only
  bool cut_for_sigmoid = false;   // values beyond +-8 change a Sigmoid by less than its 8-bit step
};

// Whether these make the same grid to half a level.
[[nodiscard]] bool same_grid(const quant::Range& a, const quant::Range& b, const quant::QuantSpec& spec);

// Min-max first, then others; ranges that differ by less than half a level from an earlier one are left out.
[[nodiscard]] std::vector<RangeCandidate> range_candidates(const calib::TensorStatistics& statistics, const quant::QuantSpec& spec,
                                                           const CandidateRules& rules);

}  // namespace qtool::optimize
