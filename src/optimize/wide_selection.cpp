#include "wide_selection.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "qtool/optimize/cost_model.h"

namespace qtool::optimize {

namespace {

// Relative cost added to that of every quantizer: free ones would go before those that matter.
constexpr double kLeastCost = 0.001;
// Only the noisiest are weighed against their cost; the rest makes no difference.
constexpr size_t kMostWeighed = 96;

// Noise power over signal power, by block: adds up whatever the number of samples.
using Shares = std::vector<double>;

Shares shares_of(const OutputNoise& noise) {
  Shares shares(noise.signal.size(), 0.0);
  for (size_t b = 0; b < shares.size(); ++b) {
    if (noise.signal[b] > 0.0) shares[b] = noise.noise[b] / noise.signal[b];
  }
  return shares;
}

Shares plus(Shares total, const Shares& part, double sign) {
  for (size_t b = 0; b < total.size(); ++b) total[b] = std::max(0.0, total[b] + sign * part[b]);
  return total;
}

double amplitude(const Shares& shares, const std::vector<OutputBlock>& blocks) {
  return OutputNoise{Shares(shares.size(), 1.0), shares}.cost(blocks);
}

// The widths tried so far, and what they cost.
class Priced {
 public:
  Priced(const model::ModelState& state, const WideLimits& limits) : state_(state), limits_(limits) {
    for (const auto& [id, plan] : state_.plan.tensors) {
      if (const auto entry = state_.encodings.find(id); entry != state_.encodings.end()) by_leader_[plan.leader].push_back(&entry->second.encoding);
    }
  }

  // Grids of the new width are made when the choice is tried.
  void set(const NarrowQuantizer& quantizer, int bits) {
    for (quant::Encoding* encoding : by_leader_[quantizer.leader]) encoding->bits = bits;
  }
  [[nodiscard]] double cost() const { return relative_cost(state_, limits_.rates); }
  [[nodiscard]] bool is_wide(ir::ValueId id) const {
    const quant::Encoding* encoding = model::find_encoding(state_.encodings, id);
    return encoding != nullptr && encoding->bits > kNarrowBits;
  }

 private:
  model::ModelState state_;
  std::map<ir::ValueId, std::vector<quant::Encoding*>> by_leader_;  // copies included: they move as many bytes
  const WideLimits& limits_;
};

class Selection {
 public:
  Selection(const model::ModelState& state, const std::vector<NarrowQuantizer>& quantizers, const OutputNoise& floor,
            const std::vector<OutputBlock>& blocks, const WideLimits& limits)
      : state_(state), quantizers_(quantizers), blocks_(blocks), limits_(limits), all_narrow_(shares_of(floor)),
        ceiling_(0.0) {
    for (const NarrowQuantizer& quantizer : quantizers) {
      shares_.push_back(shares_of(quantizer.noise));
      shares_.back().resize(all_narrow_.size(), 0.0);
    }
    share_out_weights();
    worst_first_.resize(quantizers.size());
    std::iota(worst_first_.begin(), worst_first_.end(), size_t{0});
    std::stable_sort(worst_first_.begin(), worst_first_.end(), [&](size_t a, size_t b) { return amplitude(shares_[a], blocks_) > amplitude(shares_[b], blocks_); });
  }

  std::vector<size_t> run() {
    const Beginning by_noise = best_beginning(affordable_worst_first());
    const Beginning by_gain = best_beginning(most_gain_for_cost());
    return by_gain.worth > by_noise.worth ? by_gain.chosen : by_noise.chosen;
  }

 private:
  struct Beginning {
    std::vector<size_t> chosen;
    double worth = 0.0;
  };

  // Weights are in the floor already, with no more than it holds.
  void share_out_weights() {
    Shares weights(all_narrow_.size(), 0.0);
    for (size_t i = 0; i < shares_.size(); ++i) {
      if (quantizers_[i].is_weight()) weights = plus(weights, shares_[i], 1.0);
    }
    for (size_t i = 0; i < shares_.size(); ++i) {
      for (size_t b = 0; quantizers_[i].is_weight() && b < weights.size(); ++b) {
        if (weights[b] > all_narrow_[b]) shares_[i][b] *= all_narrow_[b] / weights[b];
      }
    }
    ceiling_ = std::min(cost_db(amplitude(plus(all_narrow_, weights, -1.0), blocks_)), limits_.target_db);
    for (size_t i = 0; i < shares_.size(); ++i) {
      if (!quantizers_[i].is_weight()) all_narrow_ = plus(all_narrow_, shares_[i], 1.0);
    }
  }

  // What is widened with this one, itself last; nothing when that cannot be.
  [[nodiscard]] std::vector<size_t> with_what_it_reads(size_t i, const Priced& priced) const {
    const ir::ValueId reads = quantizers_[i].reads;
    if (!quantizers_[i].is_weight() || priced.is_wide(reads)) return {i};
    const auto at = std::ranges::find_if(quantizers_, [&](const NarrowQuantizer& other) { return !other.is_weight() && other.leader == reads; });
    if (at == quantizers_.end()) return {};
    return {static_cast<size_t>(at - quantizers_.begin()), i};
  }

  [[nodiscard]] double cost_with(const std::vector<size_t>& more, Priced& priced) const {
    for (const size_t i : more) priced.set(quantizers_[i], limits_.bits);
    const double result = priced.cost();
    for (const size_t i : more) priced.set(quantizers_[i], kNarrowBits);
    return result;
  }

  [[nodiscard]] double price(size_t count) const { return limits_.least_gain_db * static_cast<double>(count); }

  [[nodiscard]] Beginning best_beginning(const std::vector<size_t>& order) const {
    Beginning best{.chosen = {}, .worth = cost_db(amplitude(all_narrow_, blocks_))};
    Shares left = all_narrow_;
    for (size_t count = 1; count <= order.size(); ++count) {
      left = plus(left, shares_[order[count - 1]], -1.0);
      const double worth = std::min(cost_db(amplitude(left, blocks_)), limits_.target_db) - price(count);
      if (worth <= best.worth) continue;
      best = {{order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count)}, worth};
    }
    return best;
  }

  // One that is too dear is left out: a cheaper one further down may still fit.
  [[nodiscard]] std::vector<size_t> affordable_worst_first() const {
    Priced priced(state_, limits_);
    std::vector<size_t> order;
    for (const size_t i : worst_first_) {
      if (!could_pay(order.size())) break;
      if (priced.is_wide(quantizers_[i].leader)) continue;  // a weight brought it along
      const std::vector<size_t> more = with_what_it_reads(i, priced);
      if (more.empty() || cost_with(more, priced) > limits_.most_cost) continue;
      for (const size_t k : more) priced.set(quantizers_[k], limits_.bits);
      order.insert(order.end(), more.begin(), more.end());
    }
    return order;
  }

  [[nodiscard]] std::vector<size_t> most_gain_for_cost() const {
    std::vector<size_t> open(worst_first_.begin(), worst_first_.begin() + static_cast<std::ptrdiff_t>(std::min(worst_first_.size(), kMostWeighed)));
    Priced priced(state_, limits_);
    double cost = priced.cost();
    Shares left = all_narrow_;
    std::vector<size_t> order;
    while (!open.empty() && could_pay(order.size())) {
      const double now = amplitude(left, blocks_);
      double most = 0.0, cost_of_best = 0.0;
      std::vector<size_t> best;
      for (const size_t k : open) {
        const std::vector<size_t> more = with_what_it_reads(k, priced);
        const double then = more.empty() ? limits_.most_cost : cost_with(more, priced);
        if (more.empty() || then > limits_.most_cost) continue;
        const double gain = now - amplitude(without(left, more), blocks_);
        const double rate = gain / (std::max(0.0, then - cost) + kLeastCost * static_cast<double>(more.size()));
        if (rate <= most) continue;
        most = rate;
        best = more;
        cost_of_best = then;
      }
      if (best.empty()) break;
      cost = cost_of_best;
      left = without(std::move(left), best);
      for (const size_t k : best) {
        std::erase(open, k);
        priced.set(quantizers_[k], limits_.bits);
        order.push_back(k);
      }
    }
    return order;
  }

  [[nodiscard]] Shares without(Shares left, const std::vector<size_t>& widened) const {
    for (const size_t k : widened) left = plus(std::move(left), shares_[k], -1.0);
    return left;
  }

  // Whether one more could still be worth its price if it removed all the noise that is left.
  [[nodiscard]] bool could_pay(size_t count) const { return ceiling_ - price(count + 1) > cost_db(amplitude(all_narrow_, blocks_)); }

  const model::ModelState& state_;
  const std::vector<NarrowQuantizer>& quantizers_;
  const std::vector<OutputBlock>& blocks_;
  const WideLimits& limits_;
  Shares all_narrow_;               // noise of the whole with every quantizer narrow
  double ceiling_;                  // with none
  std::vector<Shares> shares_;      // by quantizer
  std::vector<size_t> worst_first_;
};

}  // namespace

std::vector<size_t> select_wide(const model::ModelState& state, const std::vector<NarrowQuantizer>& quantizers, const OutputNoise& floor,
                                const std::vector<OutputBlock>& blocks, const WideLimits& limits) {
  return Selection(state, quantizers, floor, blocks, limits).run();
}

}  // namespace qtool::optimize
