#include "qtool/passes/compute_encodings.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"
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
          const calib::Method& activation_method, const calib::Method& weight_method, const calib::MethodOptions& method_options)
      : state_(state), statistics_(statistics), activation_method_(activation_method), weight_method_(weight_method),
        method_options_(method_options) {}

  EncodingNotes build() {
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (frozen(id)) continue;
      if (plan.role == TensorRole::kWeight) weight(id, plan);
      else if (plan.role == TensorRole::kActivation && plan.leader == id) activation(id, plan);
    }
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (plan.role == TensorRole::kActivation && plan.leader != id && !frozen(id)) follow(id, plan.leader);
    }
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (plan.role == TensorRole::kBias && !frozen(id)) bias(id, plan);
    }
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

  void weight(ValueId id, const TensorPlan& plan) {
    const Tensor& tensor = *state_.graph.constant(id);
    const std::vector<quant::Range> ranges = weight_ranges(tensor, plan.spec, weight_method_, method_options_);
    const bool degenerate = std::all_of(ranges.begin(), ranges.end(),
                                        [&](const quant::Range& r) { return below_minimum(r, plan.spec); });
    // A scale made for one channel must not be set by the minimum range: pruned channels are handled below.
    quant::QuantSpec spec = plan.spec;
    if (spec.channel_axis >= 0 && !degenerate) spec.min_range = 1e-12;
    quant::Encoding encoding = quant::encoding_from_ranges(spec, ranges);
    if (spec.channel_axis >= 0) replace_dead_channels(id, ranges, encoding);
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
    quant::Range range;
    bool seen = false;
    const auto include = [&](ValueId member) {
      if (const Tensor* constant = state_.graph.constant(member)) {
        const quant::Range own = quant::tensor_ranges(*constant, -1)[0];
        seen ? range.include(own) : void(range = own);
        seen = true;
        return;
      }
      const auto found = statistics_.find(member);
      if (found == statistics_.end() || found->second.empty()) return;
      if (found->second.non_finite > 0) notes_.non_finite.push_back(name(member));
      const quant::Range own = activation_method_.range(found->second, plan.spec, method_options_);
      seen ? range.include(own) : void(range = own);
      seen = true;
    };
    include(id);
    if (!seen) {
      notes_.no_statistics.push_back(name(id));
      return;
    }
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

  void bias(ValueId id, const TensorPlan& plan) {
    const Tensor& tensor = *state_.graph.constant(id);
    const auto* input = model::find_encoding(state_.encodings, plan.bias_of_input);
    const auto weight_at = state_.encodings.find(plan.bias_of_weight);
    if (input != nullptr && weight_at != state_.encodings.end()) {
      const double input_scale = input->grids[0].scale;
      // The values of a frozen weight lie on its grid already.
      if (!weight_at->second.frozen) widen_for_bias(id, tensor, input_scale, plan.bias_of_weight, weight_at->second.encoding);
      store(id, quant::bias_encoding(input_scale, weight_at->second.encoding, tensor.element_count()),
            "input scale x weight scale", false);
      return;
    }
    const quant::Range range = quant::tensor_ranges(tensor, -1)[0];
    store(id, quant::encoding_from_ranges(plan.spec, {&range, 1}), "min-max", below_minimum(range, plan.spec));
  }

  // |bias| <= 2^31 * s_input * s_weight must hold; a channel that breaks it gets a larger weight scale (AIMET 2.x rule).
  void widen_for_bias(ValueId id, const Tensor& bias, double input_scale, ValueId weight_id, quant::Encoding& weight) {
    const auto values = bias.data<float>();
    size_t widened = 0;
    const size_t channels = values.size() == 1 ? weight.grids.size() : values.size();  // one value may serve all channels
    for (size_t c = 0; c < channels; ++c) {
      quant::Grid& grid = weight.grids[weight.per_channel() ? std::min(c, weight.grids.size() - 1) : 0];
      const double value = values[values.size() == 1 ? 0 : c];
      const double needed = std::abs(value) / (2147483000.0 * input_scale);
      if (grid.scale >= needed) continue;
      grid.scale = needed;
      ++widened;
    }
    if (widened > 0) {
      notes_.bias_overflow.push_back(format("{}: {} of {} channels of {}", name(id), widened, channels, name(weight_id)));
    }
  }

  model::ModelState& state_;
  const std::map<ValueId, calib::TensorStatistics>& statistics_;
  const calib::Method& activation_method_;
  const calib::Method& weight_method_;
  const calib::MethodOptions& method_options_;
  EncodingNotes notes_;
};

}  // namespace

std::vector<ValueId> observed_values(const model::ModelState& state) {
  std::vector<ValueId> observed;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role != TensorRole::kActivation || state.graph.is_constant(id)) continue;
    if (plan.leader == id && !plan.fixed_range) observed.push_back(id);
  }
  return observed;
}

EncodingNotes compute_encodings(model::ModelState& state, const std::map<ValueId, calib::TensorStatistics>& statistics,
                                const calib::Method& activation_method, const calib::Method& weight_method,
                                const calib::MethodOptions& method_options) {
  return Builder(state, statistics, activation_method, weight_method, method_options).build();
}

}  // namespace qtool::passes
