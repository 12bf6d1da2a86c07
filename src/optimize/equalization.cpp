#include "equalization.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "damping.h"
#include "weight_ranges.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::ValueId;

// How a channel may be scaled.
enum class Freedom : uint8_t { kFree, kBelowBound, kAtBound, kDead };

class Equalizer {
 public:
  Equalizer(const Graph& graph, const ChannelSets& sets, const Statistics& statistics, const EqualizationOptions& options)
      : graph_(graph), sets_(sets), statistics_(statistics), options_(options) {
    plan_.factors.assign(sets.classes.size(), 1.0);
    freedom_.assign(sets.classes.size(), Freedom::kFree);
    lower_.assign(sets.classes.size(), 0.0);
    for (const Layer& layer : sets.layers) ranges_.emplace_back(graph, sets, layer, plan_.factors);
  }

  EqualizationPlan run() {
    std::vector<const ChannelSet*> chosen;
    for (const ChannelSet& set : sets_.sets) {
      if (set.branched && !options_.branched) continue;
      classify(set);
      chosen.push_back(&set);
    }
    for (plan_.rounds = 0; plan_.rounds < options_.max_rounds;) {
      double moved = 0.0;
      for (const ChannelSet* set : chosen) moved = std::max(moved, equalize(*set));
      ++plan_.rounds;
      if (moved < 1e-2) break;
    }
    if (options_.damped) plan_.damped = damp_factors(graph_, sets_, chosen, statistics_, ranges_, plan_.factors);
    for (const ChannelSet* set : chosen) finish(*set);
    return std::move(plan_);
  }

 private:
  // ---- bounds ------------------------------------------------------------------------------------------------------

  // Largest value to be reckoned with before a Clip in this class; nullopt when nothing is known.
  std::optional<double> peak_before_clip(const ChannelClass& channel) const {
    double peak = 0.0;
    for (const auto& [value, c] : channel.clipped) {
      const ChannelMoments* moments = statistics_.find(value);
      if (moments == nullptr) return std::nullopt;
      const auto at = static_cast<size_t>(c);
      peak = std::max({peak, moments->hi[at] * (1.0 + options_.clip_margin), moments->mean[at] + options_.clip_deviations * moments->deviation[at]});
    }
    return peak;
  }

  void classify(const ChannelSet& set) {
    double bound = std::numeric_limits<double>::infinity();
    for (const ir::NodeId clip : set.clips) bound = std::min(bound, clip_bounds(graph_, graph_.node(clip))->high);
    if (std::isinf(bound)) return;
    if (options_.replace_clips) {
      plan_.clips_to_relu.insert(plan_.clips_to_relu.end(), set.clips.begin(), set.clips.end());
      return;
    }
    bool reached = false;
    for (const size_t c : set.classes) {
      if (sets_.classes[c].clipped.empty()) continue;
      const auto peak = peak_before_clip(sets_.classes[c]);
      const double reach = peak.value_or(bound);
      freedom_[c] = reach < bound ? Freedom::kBelowBound : Freedom::kAtBound;
      lower_[c] = reach / bound;
      reached = reached || freedom_[c] == Freedom::kAtBound;
    }
    if (reached || options_.keep_clips || has_fixed_channels(set)) return;
    plan_.clips_to_relu.insert(plan_.clips_to_relu.end(), set.clips.begin(), set.clips.end());
    for (const size_t c : set.classes) freedom_[c] = Freedom::kFree;
  }

  // Channels of the clipped values outside every set (their readers are no layers): the Clip must stay for them.
  bool has_fixed_channels(const ChannelSet& set) const {
    return std::any_of(set.clips.begin(), set.clips.end(), [&](ir::NodeId clip) {
      const auto at = sets_.value_classes.find(graph_.node(clip).inputs[0]);
      return at == sets_.value_classes.end() || std::count(at->second.begin(), at->second.end(), ChannelSets::kFixed) > 0;
    });
  }

  // ---- factors -----------------------------------------------------------------------------------------------------

  struct SetRanges {
    std::vector<double> written, read;  // by class of the set
    double largest_written = 0.0, largest_read = 0.0;
  };

  static std::set<size_t> layers_of(const std::vector<ChannelClass>& classes, const ChannelSet& set, std::vector<ChannelEnd> ChannelClass::*ends) {
    std::set<size_t> layers;
    for (const size_t c : set.classes) {
      for (const ChannelEnd& end : classes[c].*ends) layers.insert(end.layer);
    }
    return layers;
  }

  SetRanges measure(const ChannelSet& set) {
    const std::set<size_t> writers = layers_of(sets_.classes, set, &ChannelClass::writers);
    const std::set<size_t> readers = layers_of(sets_.classes, set, &ChannelClass::readers);
    for (const size_t l : writers) ranges_[l].refresh();
    for (const size_t l : readers) ranges_[l].refresh();
    SetRanges result;
    for (const size_t c : set.classes) {
      double written = 0.0, read = 0.0;
      for (const ChannelEnd& end : sets_.classes[c].writers) {
        const double unit = writers.size() > 1 ? ranges_[end.layer].largest() : 1.0;
        written = std::max(written, unit > 0.0 ? ranges_[end.layer].out(end.channel) / unit : 0.0);
      }
      for (const ChannelEnd& end : sets_.classes[c].readers) {
        const double unit = readers.size() > 1 ? ranges_[end.layer].largest() : 1.0;
        read = std::max(read, unit > 0.0 ? ranges_[end.layer].in(end.channel) / unit : 0.0);
      }
      result.written.push_back(written);
      result.read.push_back(read);
      result.largest_written = std::max(result.largest_written, written);
      result.largest_read = std::max(result.largest_read, read);
    }
    return result;
  }

  // The channels that keep their scale count as one: the others are brought to its range.
  double unit_of_fixed(const ChannelSet& set, const SetRanges& ranges) const {
    double written = 0.0, read = 0.0;
    for (size_t i = 0; i < set.classes.size(); ++i) {
      if (freedom_[set.classes[i]] != Freedom::kAtBound) continue;
      written = std::max(written, ranges.written[i]);
      read = std::max(read, ranges.read[i]);
    }
    return written > 0.0 && read > 0.0 ? std::sqrt(written / read) : 1.0;
  }

  // One step for one set; returns the largest |log2| by which a factor moved.
  double equalize(const ChannelSet& set) {
    const SetRanges ranges = measure(set);
    const double unit = unit_of_fixed(set, ranges);
    double moved = 0.0;
    for (size_t i = 0; i < set.classes.size(); ++i) {
      const size_t c = set.classes[i];
      if (freedom_[c] == Freedom::kAtBound || freedom_[c] == Freedom::kDead) continue;
      if (ranges.written[i] <= options_.dead_ratio * ranges.largest_written || ranges.read[i] <= options_.dead_ratio * ranges.largest_read) {
        freedom_[c] = Freedom::kDead;
        continue;
      }
      double factor = plan_.factors[c] * std::sqrt(ranges.written[i] / ranges.read[i]) / unit;
      factor = std::clamp(factor, 1.0 / options_.largest_factor, options_.largest_factor);
      if (freedom_[c] == Freedom::kBelowBound) factor = std::max(factor, lower_[c]);
      moved = std::max(moved, std::abs(std::log2(factor / plan_.factors[c])));
      plan_.factors[c] = factor;
    }
    return moved;
  }

  // ---- the common factor -------------------------------------------------------------------------------------------

  // Largest |value| that writers of the class leave, 0 when nothing is known.
  double magnitude(const ChannelClass& channel) const {
    double largest = 0.0;
    for (const ChannelEnd& end : channel.writers) {
      const ChannelMoments* moments = statistics_.find(sets_.layers[end.layer].output);
      if (moments == nullptr) continue;
      const auto c = static_cast<size_t>(end.channel);
      largest = std::max({largest, std::abs(moments->hi[c]), std::abs(moments->lo[c])});
    }
    return largest;
  }

  void finish(const ChannelSet& set) {
    const bool tied_to_unit = std::any_of(set.classes.begin(), set.classes.end(), [&](size_t c) {
      return freedom_[c] == Freedom::kAtBound || freedom_[c] == Freedom::kBelowBound || freedom_[c] == Freedom::kDead;
    });
    double before = 0.0, after = 0.0;
    for (const size_t c : set.classes) {
      const double value = magnitude(sets_.classes[c]);
      before = std::max(before, value);
      after = std::max(after, value / plan_.factors[c]);
    }
    if (!tied_to_unit && before > 0.0 && after > 0.0) {
      for (const size_t c : set.classes) plan_.factors[c] *= after / before;
    }
    count(set);
  }

  void count(const ChannelSet& set) {
    bool scaled = false;
    for (const size_t c : set.classes) {
      const double factor = plan_.factors[c];
      scaled = scaled || factor != 1.0;
      plan_.largest_factor = std::max({plan_.largest_factor, factor, 1.0 / factor});
      if (freedom_[c] == Freedom::kFree) ++plan_.free_channels;
      if (freedom_[c] == Freedom::kBelowBound) ++plan_.below_bound;
      if (freedom_[c] == Freedom::kAtBound) ++plan_.at_bound;
      if (freedom_[c] == Freedom::kDead) ++plan_.dead;
    }
    plan_.sets += scaled;
  }

  const Graph& graph_;
  const ChannelSets& sets_;
  const Statistics& statistics_;
  const EqualizationOptions& options_;
  EqualizationPlan plan_;
  std::vector<Freedom> freedom_;
  std::vector<double> lower_;  // by class: smallest factor that keeps it below its bound
  std::vector<WeightRanges> ranges_;
};

}  // namespace

EqualizationPlan plan_equalization(const Graph& graph, const ChannelSets& sets, const Statistics& statistics,
                                   const EqualizationOptions& options) {
  return Equalizer(graph, sets, statistics, options).run();
}

}  // namespace qtool::optimize
