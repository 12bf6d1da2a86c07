#include "wide_selection.h"

#include <algorithm>
#include <limits>
#include <numeric>

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
  Priced(const model::ModelState& state, const WideLimits& limits) : state_(state), limits_(limits) {}

  // Grids of the new width are made when the choice is tried.
  void set(const NarrowQuantizer& quantizer, int bits) {
    for (const ir::ValueId member : quantizer.members) {
      if (const auto entry = state_.encodings.find(member); entry != state_.encodings.end()) entry->second.encoding.bits = bits;
    }
  }
  [[nodiscard]] double cost() const { return relative_cost(state_, limits_.rates); }
  [[nodiscard]] double cost_with(const NarrowQuantizer& quantizer) {
    set(quantizer, limits_.bits);
    const double result = cost();
    set(quantizer, kNarrowBits);
    return result;
  }

 private:
  model::ModelState state_;
  const WideLimits& limits_;
};

class Selection {
 public:
  Selection(const model::ModelState& state, const std::vector<NarrowQuantizer>& quantizers, const OutputNoise& floor,
            const std::vector<OutputBlock>& blocks, const WideLimits& limits)
      : state_(state), quantizers_(quantizers), blocks_(blocks), limits_(limits), all_narrow_(shares_of(floor)),
        ceiling_(std::min(cost_db(amplitude(all_narrow_, blocks)), limits.target_db)) {
    for (const NarrowQuantizer& quantizer : quantizers) {
      shares_.push_back(shares_of(quantizer.noise));
      shares_.back().resize(all_narrow_.size(), 0.0);
      all_narrow_ = plus(all_narrow_, shares_.back(), 1.0);
    }
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
      if (priced.cost_with(quantizers_[i]) > limits_.most_cost) continue;
      priced.set(quantizers_[i], limits_.bits);
      order.push_back(i);
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
      size_t best = open.size();
      for (size_t k = 0; k < open.size(); ++k) {
        const double then = priced.cost_with(quantizers_[open[k]]);
        if (then > limits_.most_cost) continue;
        const double rate = (now - amplitude(plus(left, shares_[open[k]], -1.0), blocks_)) / (std::max(0.0, then - cost) + kLeastCost);
        if (rate <= most) continue;
        most = rate;
        best = k;
        cost_of_best = then;
      }
      if (best == open.size()) break;
      const size_t chosen = open[best];
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(best));
      priced.set(quantizers_[chosen], limits_.bits);
      cost = cost_of_best;
      left = plus(left, shares_[chosen], -1.0);
      order.push_back(chosen);
    }
    return order;
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
