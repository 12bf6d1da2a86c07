#include "qtool/passes/compute_encodings.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "bias_grids.h"
#include "concat_ranges.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "weight_ranges.h"

namespace qtool::passes {

namespace {

using ir::ValueId;
using model::EncodingEntry;
using model::TensorPlan;
using model::TensorRole;

class Builder {
 public:
  Builder(model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
          const calib::Method& activation_method, const calib::Method& weight_method, const calib::MethodOptions& method_options,
          const ChosenRanges& chosen, const model::TargetProfile* profile)
      : state_(state), statistics_(statistics), activation_method_(activation_method), weight_method_(weight_method),
        method_options_(method_options), chosen_(chosen), profile_(profile) {}

  EncodingNotes build(int threads) {
    if (profile_ != nullptr) settle_concats(state_, statistics_, *profile_, notes_);
    find_ranges(threads);
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (frozen(id)) continue;
      if (plan.role == TensorRole::kWeight) weight(id, plan);
      else if (plan.role == TensorRole::kActivation && plan.leader == id) activation(id, plan);
    }
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (plan.role == TensorRole::kActivation && plan.leader != id && !frozen(id)) follow(id, plan.leader);
    }
    settle_biases(state_, profile_ == nullptr || profile_->bias_overflow_guard, notes_);
    find_dead_parts(state_, statistics_, notes_);
    return std::move(notes_);
  }

 private:
  const std::string& name(ValueId id) const { return state_.graph.value(id).name; }

  bool frozen(ValueId id) const {
    const auto found = state_.encodings.find(id);
    return found != state_.encodings.end() && found->second.frozen;
  }

  void store(ValueId id, quant::Encoding encoding, std::string source, bool degenerate) {
    if (degenerate) notes_.degenerate.push_back(name(id));
    state_.encodings[id] = {.encoding = std::move(encoding), .source = std::move(source), .degenerate = degenerate};
  }

  static bool below_minimum(const quant::Range& range, const quant::QuantSpec& spec) {
    return std::max(0.0, range.hi) - std::min(0.0, range.lo) < spec.min_range;
  }

  // Methods that search take most of the time, and tensors do not depend on one another.
  void find_ranges(int threads) {
    std::vector<std::pair<ValueId, const TensorPlan*>> wanted;
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (!frozen(id) && (plan.role == TensorRole::kWeight || needs_method(id, plan))) wanted.emplace_back(id, &plan);
    }
    std::vector<std::vector<quant::Range>> found(wanted.size());
    parallel_for(static_cast<int64_t>(wanted.size()), threads, [&](int64_t i, int) {
      const auto [id, plan] = wanted[static_cast<size_t>(i)];
      found[static_cast<size_t>(i)] = plan->role == TensorRole::kWeight
                                          ? weight_ranges(*state_.graph.constant(id), plan->spec, weight_method_, method_options_)
                                          : activation_range(id, plan->spec);
    });
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!found[i].empty()) ranges_[wanted[i].first] = std::move(found[i]);
    }
  }

  [[nodiscard]] bool needs_method(ValueId id, const TensorPlan& plan) const {
    return plan.role == TensorRole::kActivation && plan.leader == id && !plan.fixed_range && !chosen_.contains(id);
  }

  // Empty: never seen.
  [[nodiscard]] std::vector<quant::Range> activation_range(ValueId id, const quant::QuantSpec& spec) const {
    if (const Tensor* constant = state_.graph.constant(id)) return {quant::tensor_ranges(*constant, -1)[0]};
    const auto found = statistics_.find(id);
    if (found == statistics_.end() || found->second.empty()) return {};
    return {activation_method_.range(found->second, spec, method_options_)};
  }

  void weight(ValueId id, const TensorPlan& plan) {
    const Tensor& tensor = *state_.graph.constant(id);
    const std::vector<quant::Range>& ranges = ranges_.at(id);
    const bool degenerate = std::all_of(ranges.begin(), ranges.end(),
                                        [&](const quant::Range& r) { return below_minimum(r, plan.spec); });
    // A scale made for one channel must not be set by the minimum range: pruned channels are handled below.
    quant::QuantSpec spec = plan.spec;
    if (spec.channel_axis >= 0 && !degenerate) spec.min_range = 1e-12;
    const size_t channels = spec.channel_axis < 0 ? 1 : static_cast<size_t>(tensor.shape()[static_cast<size_t>(spec.channel_axis)]);
    quant::Encoding encoding = quant::encoding_from_ranges(spec, ranges, channels);
    if (spec.channel_axis >= 0 && spec.block_size == 0) replace_dead_channels(id, ranges, encoding);
    store(id, std::move(encoding), weight_method_.name, degenerate);
  }

  // A channel whose weights are all zero has no scale of its own; the layer's median keeps bias arithmetic in range.
  void replace_dead_channels(ValueId id, const std::vector<quant::Range>& ranges, quant::Encoding& encoding) {
    std::vector<double> alive;
    size_t dead = 0;
    for (size_t c = 0; c < ranges.size(); ++c) {
      if (ranges[c].lo == 0.0 && ranges[c].hi == 0.0) ++dead;
      else alive.push_back(encoding.grids[c].scale);
    }
    if (dead == 0 || alive.empty()) return;
    std::nth_element(alive.begin(), alive.begin() + static_cast<std::ptrdiff_t>(alive.size() / 2), alive.end());
    const double median = alive[alive.size() / 2];
    for (size_t c = 0; c < ranges.size(); ++c) {
      if (ranges[c].lo == 0.0 && ranges[c].hi == 0.0) encoding.grids[c].scale = median;
    }
    notes_.dead_channels.push_back(format("{}: {} of {} channels", name(id), dead, ranges.size()));
  }

  void activation(ValueId id, const TensorPlan& plan) {
    if (plan.fixed_range) {
      store(id, quant::encoding_from_ranges(plan.spec, {&*plan.fixed_range, 1}), "fixed range", false);
      return;
    }
    if (const auto choice = chosen_.find(id); choice != chosen_.end()) {
      const quant::Range& range = choice->second.range;
      store(id, quant::encoding_from_ranges(plan.spec, {&range, 1}), choice->second.source, below_minimum(range, plan.spec));
      return;
    }
    const auto found = ranges_.find(id);
    if (found == ranges_.end()) {
      notes_.no_statistics.push_back(name(id));
      return;
    }
    const auto statistics = statistics_.find(id);
    if (statistics != statistics_.end() && statistics->second.non_finite > 0 && !state_.graph.is_constant(id)) notes_.non_finite.push_back(name(id));
    const quant::Range range = found->second[0];
    store(id, quant::encoding_from_ranges(plan.spec, {&range, 1}),
          state_.graph.is_constant(id) ? "min-max" : activation_method_.name, below_minimum(range, plan.spec));
  }

  void follow(ValueId id, ValueId leader) {
    const auto found = state_.encodings.find(leader);
    if (found == state_.encodings.end()) return;
    EncodingEntry entry = found->second;
    entry.source = "encoding of " + name(leader);
    entry.degenerate = false;
    state_.encodings[id] = std::move(entry);
  }

  model::ModelState& state_;
  const std::map<ValueId, calib::TensorStatistics>& statistics_;
  const calib::Method& activation_method_;
  const calib::Method& weight_method_;
  const calib::MethodOptions& method_options_;
  const ChosenRanges& chosen_;
  const model::TargetProfile* profile_;
  std::map<ValueId, std::vector<quant::Range>> ranges_;  // of weights, and of activations that the method decides
  EncodingNotes notes_;
};

}  // namespace

std::vector<ValueId> observed_values(const model::ModelState& state) {
  std::set<ValueId> observed;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role != TensorRole::kActivation) continue;
    // What a tied tensor would lead by itself is looked at too: its range decides whether it stays tied.
    const ValueId own = plan.untied_leader == ir::kNoValue ? plan.leader : plan.untied_leader;
    for (const ValueId leader : {plan.leader, own}) {
      const TensorPlan* of_leader = state.plan.find(leader);
      const auto found = state.encodings.find(leader);
      const bool frozen = found != state.encodings.end() && found->second.frozen;
      if (of_leader != nullptr && !of_leader->fixed_range && !state.graph.is_constant(leader) && !frozen) observed.insert(leader);
    }
  }
  return {observed.begin(), observed.end()};
}

EncodingNotes compute_encodings(model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
                                const calib::Method& activation_method, const calib::Method& weight_method,
                                const calib::MethodOptions& method_options, const ChosenRanges& chosen, const model::TargetProfile* profile,
                                int threads) {
  return Builder(state, statistics, activation_method, weight_method, method_options, chosen, profile).build(threads);
}

}  // namespace qtool::passes
