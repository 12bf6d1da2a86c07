// How often, and how far, the channels in front of a Clip go towards its upper bound and beyond.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/exec/layout.h"
#include "qtool/ir/graph.h"

namespace qtool::optimize {

// Mean and variance of clip(x, 0, s b) - clip(x, 0, b), and d variance / d ln s, in units of b and b^2.
struct BoundShift {
  double mean = 0.0, variance = 0.0, slope = 0.0;
};

// Histogram of one channel, in units of the bound b: 16 bins an octave from b / 8 to 8 b. What lies below is cut by no bound
// that is asked for, what lies beyond counts as 8 b.
class BoundTail {
 public:
  void observe(float value_over_bound);
  void add_count(int64_t values) { count_ += values; }
  void merge(const BoundTail& other);
  // The bound moves to s b, s in [1/8, 8]; values count as `stretch` times as large as they were seen.
  [[nodiscard]] BoundShift shift(double s, double stretch) const;

 private:
  static constexpr int kLowestOctave = -3, kOctaves = 6, kBinsPerOctave = 16;
  [[nodiscard]] static double centre(size_t bin);
  std::array<uint32_t, kOctaves * kBinsPerOctave + 1> bins_{};
  int64_t count_ = 0;  // of all values, those below b / 8 included
};

// By value in front of a Clip(0, b) and channel on axis 1. Values that are not finite count as below.
using BoundTails = std::map<ir::ValueId, std::vector<BoundTail>>;

// One walk of the float model over the samples. `clips`: nodes with constant bounds and a rank of at least 2. The result does
// not depend on the number of threads.
[[nodiscard]] BoundTails observe_bound_tails(const ir::Graph& graph, const std::vector<ir::NodeId>& clips, const data::SampleSource& source, int threads);

}  // namespace qtool::optimize
