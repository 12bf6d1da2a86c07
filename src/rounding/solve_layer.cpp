#include "solve_layer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "classic.h"
#include "grid_search.h"
#include "judge.h"
#include "regression.h"
#include "sequential_mse.h"

namespace qtool::rounding {

namespace {

// Strength of the pull towards W' while rounding, in mean diagonals of H.
constexpr double kRoundingRidge = 0.1;
// Start scales that ever win, in twentieths of the base scale.
constexpr int kLeastScale = 8, kLeastScaleOfFineGrids = 16;
constexpr const char* kDescentMethod = "descent";
constexpr const char* kTabuMethod = "descent, tabu";
constexpr double kRegressionRidges[] = {0.3, 3.0, kKeepFloatWeights};

// The real weights whose output on judged rows is best before any rounding.
std::vector<float> choose_real_weights(const LayerProblem& problem, const Regression& regression, const Judge& judge, double& best_error) {
  std::vector<float> best;
  best_error = INFINITY;
  for (const double ridge : kRegressionRidges) {
    std::vector<float> weights = regression.weights(ridge);
    const double error = judge.error(weights, regression.bias_for(weights));
    if (error >= best_error) continue;
    best_error = error;
    best = std::move(weights);
  }
  return best.empty() ? problem.weights : best;
}

class Choice {
 public:
  explicit Choice(const Judge& judge) : judge_(judge) {}
  void offer(LayerSolution candidate) {
    candidate.error = judge_.error(candidate.weights, candidate.bias);
    if (!best_.method.empty() && !(candidate.error < best_.error)) return;
    best_ = std::move(candidate);
  }
  [[nodiscard]] const LayerSolution& best() const { return best_; }
  LayerSolution take() { return std::move(best_); }

 private:
  const Judge& judge_;
  LayerSolution best_;
};

// Offers the descent and returns the coupled answer, if there is one.
std::optional<LayerSolution> offer_descent(const LayerProblem& problem, const Regression& regression, const Judge& judge, Choice& choice, bool tabu, double& real_error) {
  const std::vector<float> real = choose_real_weights(problem, regression, judge, real_error);
  GridSearchOptions search_options = default_search(problem.encoding.bits);
  search_options.tabu = tabu;
  GridSearchResult search = search_grid(problem, regression, real, kRoundingRidge, search_options);
  search.found.method = kDescentMethod;
  search.found.bias = regression.bias_for(search.found.weights);
  choice.offer(std::move(search.found));
  if (search.searched) {
    search.searched->method = kTabuMethod;
    search.searched->bias = regression.bias_for(search.searched->weights);
    choice.offer(std::move(*search.searched));
  }
  if (!search.coupled) return std::nullopt;
  search.coupled->method = kBlockMethod;
  search.coupled->bias = regression.bias_for(search.coupled->weights);
  return std::move(search.coupled);
}

// The coupled answer if the block's end says so on the images kept aside.
LayerSolution better_at_block_end(LayerSolution best, std::optional<LayerSolution> coupled, const Judge& judge, const BlockJudge* block) {
  if (!coupled || block == nullptr || (best.method != kDescentMethod && best.method != kTabuMethod)) return best;
  if (!(block->error(coupled->weights, coupled->bias) < block->error(best.weights, best.bias))) return best;
  coupled->error = judge.error(coupled->weights, coupled->bias);
  return std::move(*coupled);
}

LayerSolution nearest_with_bias(const LayerProblem& problem, const Regression& regression, std::string name) {
  LayerSolution nearest = round_to_nearest(problem);
  nearest.method = std::move(name);
  nearest.bias = regression.bias_for(nearest.weights);
  return nearest;
}

// The scales alone; weights and bias stay as they are.
LayerSolution search_scales(const LayerProblem& problem, const Judge& judge) {
  LayerProblem scaled = problem;
  scaled.encoding = sequential_mse(problem);
  LayerSolution found = round_to_nearest(scaled);
  found.error = judge.error(found.weights, found.bias);
  found.weights = problem.weights;
  found.method = "seqmse";
  return found;
}

LayerSolution best_of_all(const LayerProblem& problem, const AdaroundOptions& options, const Judge& judge, LayerSolution nearest, double& real_error,
                          const BlockJudge* block) {
  const Regression regression(problem);
  Choice choice(judge);
  choice.offer(std::move(nearest));
  if (!problem.bias.empty()) choice.offer(nearest_with_bias(problem, regression, "nearest, bias"));
  if (options.method != Method::kDescent) return choice.take();
  LayerProblem scaled = problem;
  scaled.encoding = sequential_mse(problem, problem.encoding.bits < 8 ? kLeastScale : kLeastScaleOfFineGrids);
  LayerSolution at_scales = nearest_with_bias(scaled, regression, "seqmse, bias");
  if (problem.bias.empty()) at_scales.bias.clear();
  choice.offer(std::move(at_scales));
  std::optional<LayerSolution> coupled = offer_descent(problem, regression, judge, choice, options.tabu, real_error);
  return better_at_block_end(choice.take(), std::move(coupled), judge, block);
}

}  // namespace

LayerSolution round_to_nearest(const LayerProblem& problem) {
  LayerSolution result{.method = "nearest", .weights = problem.weights, .bias = problem.bias, .encoding = problem.encoding};
  const int64_t n = problem.shape().inputs;
  for (size_t i = 0; i < result.weights.size(); ++i) {
    const size_t grid = problem.grid_of(static_cast<int64_t>(i) / n, static_cast<int64_t>(i) % n);
    const double scale = problem.encoding.grids[grid].scale;
    const double level = std::clamp(std::nearbyint(static_cast<double>(result.weights[i] / static_cast<float>(scale))),
                                    static_cast<double>(problem.encoding.lowest_level(grid)),
                                    static_cast<double>(problem.encoding.highest_level(grid)));
    result.weights[i] = on_grid(scale, level);
  }
  return result;
}

LayerSolution solve_layer(const LayerProblem& problem, const AdaroundOptions& options, uint64_t layer, LayerErrors& errors,
                          const BlockJudge* block) {
  const Judge judge(problem);
  LayerSolution nearest = round_to_nearest(problem);
  errors.nearest = judge.error(nearest.weights, nearest.bias);
  if (options.method == Method::kSeqMse) return search_scales(problem, judge);
  if (options.method == Method::kClassic) {
    LayerProblem based = problem;
    if (options.seqmse_base) based.encoding = sequential_mse(problem);
    LayerSolution found = round_classic(based, options.classic, options.seed, layer);
    found.error = judge.error(found.weights, found.bias);
    return found;
  }
  return best_of_all(problem, options, judge, std::move(nearest), errors.real, block);
}

}  // namespace qtool::rounding
