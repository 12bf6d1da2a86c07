// entropy: the range whose quantized distribution differs least from the observed one, by the divergence of Kullback and
// Leibler (TensorRT's calibrator, "entropy" of ONNX Runtime and AIMET).
//
// Unlike those: every value of every sample counts, in any order; groups of bins are those of the real grid, whatever its
// width and symmetry; a one-sided tensor loses only the tail it has; exact zeros, which every grid represents, do not count
// (behind Relu they are most values and would drag the range towards nothing). Where the grid is finer than the bins, as
// with 16 bits, nothing can be gained by clipping and the whole range is the answer.
#include <algorithm>
#include <cmath>

#include "qtool/calib/registry.h"
#include "range_search.h"

namespace qtool::calib {

namespace {

// Histogram counts by absolute bin number, zeros taken out of their bin.
struct Counts {
  int64_t first = 0;
  double width = 0.0;
  std::vector<double> mass;
  quant::Range bounds;
  [[nodiscard]] double centre(size_t i) const {
    return std::clamp((static_cast<double>(first) + static_cast<double>(i) + 0.5) * width, bounds.lo, bounds.hi);
  }
};

Counts counts_without_zeros(const quant::Histogram& histogram) {
  Counts counts{.first = histogram.first_bin(), .width = histogram.bin_width(), .mass = {}, .bounds = histogram.range()};
  counts.mass.assign(histogram.counts().begin(), histogram.counts().end());
  while (!counts.mass.empty() && counts.mass.back() == 0.0) counts.mass.pop_back();
  const int64_t zero = -counts.first;
  if (zero < 0 || zero >= static_cast<int64_t>(counts.mass.size())) return counts;
  const auto at = static_cast<size_t>(zero);
  double neighbours = 0.0;
  if (at > 0) neighbours = counts.mass[at - 1];
  if (at + 1 < counts.mass.size()) neighbours = std::max(neighbours, counts.mass[at + 1]);
  counts.mass[at] = std::min(counts.mass[at], neighbours);
  return counts;
}

// Divergence of the distribution clipped to `range` from the one its grid can tell apart: inside one level the mass is
// spread evenly over the bins that are not empty.
double divergence(const Counts& counts, const quant::QuantSpec& spec, const quant::Range& range) {
  const quant::Grid grid = quant::grid_from_range(spec, range);
  const quant::Encoding encoding = quant::encoding_from_ranges(spec, {&range, 1});
  const auto lowest = static_cast<double>(encoding.lowest_level()), highest = static_cast<double>(encoding.highest_level());
  const auto level_of = [&](size_t i) { return std::nearbyint(counts.centre(i) / grid.scale); };
  const size_t n = counts.mass.size();
  size_t begin = 0, end = n;
  double below = 0.0, above = 0.0;
  while (begin + 1 < end && level_of(begin) < lowest) below += counts.mass[begin++];
  while (end - 1 > begin && level_of(end - 1) > highest) above += counts.mass[--end];

  double total = below + above, inside = 0.0;
  for (size_t i = begin; i < end; ++i) inside += counts.mass[i];
  total += inside;
  if (total <= 0.0 || inside <= 0.0) return 0.0;
  constexpr double kFloor = 1e-9;  // where the quantized distribution has nothing but the clipped one has
  double sum = 0.0;
  for (size_t group = begin; group < end;) {
    const double level = level_of(group);
    size_t stop = group;
    double mass = 0.0;
    int filled = 0;
    for (; stop < end && level_of(stop) == level; ++stop) {
      mass += counts.mass[stop];
      filled += counts.mass[stop] > 0.0;
    }
    for (size_t i = group; i < stop; ++i) {
      const double outside = (i == begin ? below : 0.0) + (i + 1 == end ? above : 0.0);
      const double p = (counts.mass[i] + outside) / total;
      if (p <= 0.0) continue;
      const double q = counts.mass[i] > 0.0 ? mass / filled / inside : kFloor;
      sum += p * std::log(p / std::max(q, kFloor));
    }
    group = stop;
  }
  return sum;
}

quant::Range entropy_range(const TensorStatistics& statistics, quant::QuantSpec spec) {
  const quant::Range observed = statistics.range;
  if (!statistics.histogram || statistics.histogram->counts().empty()) return observed;
  spec.channel_axis = -1;
  const Counts counts = counts_without_zeros(*statistics.histogram);
  quant::Range best{std::min(0.0, observed.lo), std::max(0.0, observed.hi)};
  double least = divergence(counts, spec, best);
  const quant::Range whole = best;
  const bool both = spec.symmetry == quant::Symmetry::kAsymmetric && whole.lo < 0.0 && whole.hi > 0.0;
  const auto mass_between = [&](double lo, double hi) {
    double mass = 0.0;
    for (size_t i = 0; i < counts.mass.size(); ++i) {
      if (counts.centre(i) >= lo && counts.centre(i) < hi) mass += counts.mass[i];
    }
    return mass;
  };
  // Ever narrower windows. With two tails the end gives way that loses less (AIMET's rule).
  constexpr double kShrink = 1.0 / 64.0, kSmallest = 1.0 / 64.0;
  quant::Range window = whole;
  while (window.hi - window.lo > kSmallest * (whole.hi - whole.lo)) {
    const double step = std::max(kShrink * (window.hi - window.lo), counts.width);
    if (both) {
      const double lost_below = mass_between(window.lo, window.lo + step), lost_above = mass_between(window.hi - step, window.hi);
      const bool cut_below = window.lo + step < 0.0 && (lost_below < lost_above || window.hi - step <= 0.0);
      if (cut_below) window.lo += step;
      else if (window.hi - step > 0.0) window.hi -= step;
      else break;
    } else {
      const double factor = 1.0 - step / (window.hi - window.lo);
      window = {window.lo * factor, window.hi * factor};
    }
    const double value = divergence(counts, spec, window);
    if (value < least) {
      least = value;
      best = window;
    }
  }
  return best == whole ? observed : best;
}

}  // namespace

void register_entropy(Registry& registry) {
  registry.add({.name = "entropy",
                .summary = "least Kullback-Leibler divergence of the quantized from the observed distribution",
                .range = [](const TensorStatistics& statistics, const quant::QuantSpec& spec, const MethodOptions&) {
                  return entropy_range(statistics, spec);
                }});
}

}  // namespace qtool::calib
