#include "grid_search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "coupling.h"
#include "coupling_depthwise.h"
#include "descent.h"
#include "qtool/support/parallel.h"
#include "refit.h"
#include "sequential_mse.h"
#include "vector_loops.h"

namespace qtool::rounding {

namespace {

// Up to kLanes channels of one block.
struct Batch {
  int64_t block, first, count;
};

class Search {
 public:
  Search(const LayerProblem& problem, const Regression& regression, std::span<const float> real, double l1,
         const GridSearchOptions& options)
      : problem_(problem), regression_(regression), real_(real), l1_(l1), options_(options),
        states_(static_cast<size_t>(problem.shape().channels())), scales_(states_.size()) {
    measure_blocks();
    for (size_t c = 0; c < scales_.size(); ++c) {
      scales_[c] = covering_scale(static_cast<int64_t>(c));
      const size_t grid = problem.grid_of(static_cast<int64_t>(c));
      bounds_.push_back({static_cast<float>(problem.encoding.lowest_level(grid)), static_cast<float>(problem.encoding.highest_level(grid))});
    }
  }

  LayerSolution run() {
    if (problem_.data.fit.cut()) return fixed_scales();
    prepare(0, regression_.blocks());
    if (problem_.encoding.per_channel()) return one_scale_a_channel();
    return shared_scale();
  }

  // From the answer of run().
  std::optional<LayerSolution> searched() {
    if (!options_.tabu || problem_.data.fit.cut()) return std::nullopt;
    const std::vector<ChannelState> found = states_;
    std::vector<char> improved(states_.size(), 0);
    for_batches([&](const Batch& b) {
      for (int64_t i = 0; i < b.count; ++i) {
        const auto c = static_cast<size_t>(channel(b, i));
        improved[c] = descent(b).tabu_search(states_[c]) ? 1 : 0;
        if (improved[c] != 0 && problem_.encoding.per_channel()) refit(descent(b), b.first + i, states_[c], scales_[c], 1);
      }
    });
    std::optional<LayerSolution> result;
    if (std::find(improved.begin(), improved.end(), 1) != improved.end()) result = solution();
    states_ = found;
    return result;
  }

  // Likewise.
  std::optional<LayerSolution> coupled() {
    if (problem_.coupling.empty() || !problem_.encoding.per_channel() || problem_.grid_inputs > 0 || problem_.data.fit.cut()) return std::nullopt;
    bool changed = false;
    const CoupledScales scales{.covering = scales_, .factors = options_.factors, .refits = options_.refits};
    if (regression_.blocks() == 1) {
      changed = round_coupled({*metrics_[0], real_, problem_.coupling, scales, problem_.threads}, states_);
    } else if (problem_.data.fit_rows.count > 0) {
      changed = round_coupled_depthwise({problem_.data.fit_rows, regression_.input_means(), metrics_, real_, problem_.coupling, scales, problem_.threads}, states_);
    }
    return changed ? std::optional(solution()) : std::nullopt;
  }

 private:
  // Steps of the weights of per-block encodings; their proportions stay, one factor a channel is searched.
  void measure_blocks() {
    if (problem_.grid_inputs == 0) return;
    for (int64_t c = 0; c < problem_.shape().channels(); ++c) {
      for (int64_t k = 0; k < problem_.shape().inputs; ++k) relative_.push_back(static_cast<float>(problem_.encoding.grids[problem_.grid_of(c, k)].scale));
    }
  }
  const float* relative(int64_t channel, int64_t input = 0) const {
    return relative_.empty() ? nullptr : relative_.data() + channel * problem_.shape().inputs + input;
  }

  // The smallest scale at which no weight is clipped; the base grid's own where that says nothing.
  double covering_scale(int64_t channel) const {
    if (problem_.grid_inputs > 0) return 1.0;  // of the given block scales
    const size_t grid = problem_.grid_of(channel);
    const double base = problem_.encoding.grids[grid].scale;
    if (!problem_.encoding.is_symmetric) return base;
    const int64_t n = problem_.shape().inputs;
    double largest = 0.0;
    for (int64_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(static_cast<double>(real_[static_cast<size_t>(channel * n + k)])));
    const auto top = static_cast<double>(std::max<int64_t>(problem_.encoding.highest_level(grid), 1));
    return largest > 0.0 ? largest / top : base;
  }

  void prepare(int64_t first_block, int64_t end_block) {
    metrics_.resize(static_cast<size_t>(regression_.blocks()));
    descents_.resize(metrics_.size());
    parallel_for(end_block - first_block, problem_.threads, [&](int64_t offset, int) {
      const int64_t block = first_block + offset;
      const auto at = static_cast<size_t>(block);
      const auto e = regression_.extent(block);
      metrics_[at] = std::make_unique<Metric>(regression_.metric(block, l1_), e.count);
      descents_[at] = std::make_unique<Descent>(*metrics_[at], block_weights(e));
    });
    batches_.clear();
    for (int64_t block = first_block; block < end_block; ++block) {
      const int64_t channels = regression_.extent(block).channels;
      for (int64_t c = 0; c < channels; c += kLanes) batches_.push_back({block, c, std::min(kLanes, channels - c)});
    }
  }

  std::span<const float> block_weights(const Regression::Extent& e) {
    const int64_t n = problem_.shape().inputs;
    if (e.count == n) return real_.subspan(static_cast<size_t>(e.channel * n), static_cast<size_t>(e.channels * n));
    cut_weights_.clear();  // columns of a cut layer: blocks are prepared one at a time
    for (int64_t c = 0; c < e.channels; ++c) {
      const auto row = real_.begin() + c * n + e.first;
      cut_weights_.insert(cut_weights_.end(), row, row + e.count);
    }
    return cut_weights_;
  }

  const Descent& descent(const Batch& b) const { return *descents_[static_cast<size_t>(b.block)]; }
  int64_t channel(const Batch& b, int64_t i) const { return regression_.extent(b.block).channel + b.first + i; }
  void for_batches(const std::function<void(const Batch&)>& fn) const {
    parallel_for(static_cast<int64_t>(batches_.size()), problem_.threads, [&](int64_t i, int) { fn(batches_[static_cast<size_t>(i)]); });
  }

  // Rounds the channels of a batch at factor x covering scale (or at `shared`).
  std::vector<ChannelState> started(const Batch& b, double factor, const double* shared) const {
    std::vector<ChannelState> states(static_cast<size_t>(b.count));
    for (int64_t i = 0; i < b.count; ++i) {
      const auto c = static_cast<size_t>(channel(b, i));
      states[static_cast<size_t>(i)] = {.scale = shared != nullptr ? *shared : factor * scales_[c], .bounds = bounds_[c], .relative = relative(static_cast<int64_t>(c))};
    }
    descent(b).start(b.first, states);
    return states;
  }

  LayerSolution one_scale_a_channel() {
    for_batches([&](const Batch& b) {
      const Descent& solver = descent(b);
      std::vector<double> best(static_cast<size_t>(b.count), INFINITY);
      for (const double factor : options_.factors) {
        std::vector<ChannelState> states = started(b, factor, nullptr);
        for (int64_t i = 0; i < b.count; ++i) {
          ChannelState& state = states[static_cast<size_t>(i)];
          const int64_t local = b.first + i;
          refit(solver, local, state, scales_[static_cast<size_t>(channel(b, i))], options_.refits);
          const double loss = solver.loss(local, state);
          if (loss >= best[static_cast<size_t>(i)]) continue;
          best[static_cast<size_t>(i)] = loss;
          states_[static_cast<size_t>(channel(b, i))] = std::move(state);
        }
      }
    });
    return solution();
  }

  LayerSolution shared_scale() {
    const double covering = *std::max_element(scales_.begin(), scales_.end());
    std::vector<ChannelState> best_states;
    double best = INFINITY;
    for (const double factor : options_.factors) {
      const double scale = factor * covering;
      for_batches([&](const Batch& b) {
        std::vector<ChannelState> states = started(b, 1.0, &scale);
        for (int64_t i = 0; i < b.count; ++i) states_[static_cast<size_t>(channel(b, i))] = std::move(states[static_cast<size_t>(i)]);
      });
      for (int refit = 0; refit < options_.refits && refit_shared(covering); ++refit) {}
      const double loss = total_loss();
      if (loss >= best) continue;
      best = loss;
      best_states = states_;
    }
    states_ = std::move(best_states);
    return solution();
  }

  bool refit_shared(double covering) {
    Descent::Fraction total;
    for (const Batch& b : batches_) {
      for (int64_t i = 0; i < b.count; ++i) {
        const auto part = descent(b).best_scale(b.first + i, states_[static_cast<size_t>(channel(b, i))]);
        total.numerator += part.numerator;
        total.denominator += part.denominator;
      }
    }
    if (!acceptable(total, covering)) return false;
    for_batches([&](const Batch& b) {
      for (int64_t i = 0; i < b.count; ++i) {
        ChannelState& state = states_[static_cast<size_t>(channel(b, i))];
        descent(b).rescale(b.first + i, state, total.numerator / total.denominator);
        descent(b).descend(state);
      }
    });
    return true;
  }

  double total_loss() const {
    double total = 0.0;
    for (const Batch& b : batches_) {
      for (int64_t i = 0; i < b.count; ++i) total += descent(b).loss(b.first + i, states_[static_cast<size_t>(channel(b, i))]);
    }
    return total;
  }

  // Blocks one after the other at the base grid's scales, so that only one matrix is in memory.
  LayerSolution fixed_scales() {
    std::vector<std::vector<float>> levels(states_.size());
    for (int64_t block = 0; block < regression_.blocks(); ++block) {
      prepare(block, block + 1);
      for_batches([&](const Batch& b) {
        std::vector<ChannelState> states(static_cast<size_t>(b.count));
        for (int64_t i = 0; i < b.count; ++i) {
          const int64_t c = channel(b, i);
          states[static_cast<size_t>(i)] = {.scale = given_scale(c), .bounds = bounds_[static_cast<size_t>(c)],
                                            .relative = relative(c, regression_.extent(block).first)};
        }
        descent(b).start(b.first, states);
        for (int64_t i = 0; i < b.count; ++i) {
          auto& all = levels[static_cast<size_t>(channel(b, i))];
          const auto& part = states[static_cast<size_t>(i)].levels;
          all.insert(all.end(), part.begin(), part.end());
        }
      });
      descents_[static_cast<size_t>(block)].reset();
      metrics_[static_cast<size_t>(block)].reset();
    }
    for (size_t c = 0; c < states_.size(); ++c) {
      states_[c] = {.scale = given_scale(static_cast<int64_t>(c)), .levels = std::move(levels[c])};
    }
    return solution();
  }

  double given_scale(int64_t channel) const { return problem_.grid_inputs > 0 ? 1.0 : problem_.encoding.grids[problem_.grid_of(channel)].scale; }

  LayerSolution solution() const {
    LayerSolution result;
    result.encoding = problem_.encoding;
    const auto grids = static_cast<size_t>(problem_.grids_per_channel());
    for (size_t c = 0; c < states_.size(); ++c) {
      const ChannelState& state = states_[c];
      if (problem_.grid_inputs > 0) scale_channel(result.encoding, c, grids, state.scale);
      else result.encoding.grids[problem_.grid_of(static_cast<int64_t>(c))].scale = state.scale;
      for (size_t k = 0; k < state.levels.size(); ++k) {
        const size_t grid = problem_.grid_of(static_cast<int64_t>(c), static_cast<int64_t>(k));
        result.weights.push_back(on_grid(result.encoding.grids[grid].scale, static_cast<double>(state.levels[k])));
      }
    }
    return result;
  }

  const LayerProblem& problem_;
  const Regression& regression_;
  std::span<const float> real_;
  double l1_;
  const GridSearchOptions& options_;
  std::vector<ChannelState> states_;
  std::vector<double> scales_;        // covering, by channel
  std::vector<LevelBounds> bounds_;
  std::vector<float> cut_weights_;
  std::vector<float> relative_;       // [channels][inputs] with blocks, else empty
  std::vector<std::unique_ptr<Metric>> metrics_;
  std::vector<std::unique_ptr<Descent>> descents_;
  std::vector<Batch> batches_;
};

}  // namespace

GridSearchOptions default_search(int bits) {
  if (bits <= 4) return {.factors = {0.55, 0.64, 0.73, 0.82, 0.91, 1.0}};
  if (bits <= 6) return {.factors = {0.6, 0.8, 1.0}};
  return {.factors = {0.8, 1.0}};
}

GridSearchResult search_grid(const LayerProblem& problem, const Regression& regression, std::span<const float> real, double l1,
                             const GridSearchOptions& options) {
  Search search(problem, regression, real, l1, options);
  GridSearchResult result{.found = search.run(), .searched = std::nullopt, .coupled = std::nullopt};
  result.searched = search.searched();
  result.coupled = search.coupled();
  return result;
}

}  // namespace qtool::rounding
