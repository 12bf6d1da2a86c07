#include "method_comparison.h"

#include <algorithm>

#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::pipeline {

namespace {

MethodVariant variant(const char* name) { return {name, &calib::builtin_registry().at(name), {}}; }
MethodVariant percentile_variant(double percentile) {
  return {format("percentile {}", percentile), &calib::builtin_registry().at("percentile"), {.percentile = percentile}};
}

}  // namespace

std::vector<MethodVariant> all_methods(double percentile) {
  std::vector<double> percentiles = {99.9, 99.99, 99.999};
  if (std::find(percentiles.begin(), percentiles.end(), percentile) == percentiles.end()) percentiles.push_back(percentile);
  std::vector<MethodVariant> methods;
  for (const char* name : {"min-max", "sqnr", "mse", "entropy"}) methods.push_back(variant(name));
  for (const double p : percentiles) methods.push_back(percentile_variant(p));
  return methods;
}

std::vector<MethodVariant> usual_methods() {
  return {variant("min-max"), percentile_variant(99.99), percentile_variant(99.999), variant("mse"), variant("sqnr")};
}

MethodScore MethodTrial::score(const MethodVariant& variant, const passes::ChosenRanges& chosen) const { return score_each({variant}, {chosen})[0]; }

std::vector<MethodScore> MethodTrial::score_each(const std::vector<MethodVariant>& variants, const std::vector<passes::ChosenRanges>& chosen) const {
  std::vector<model::ModelState> trials(variants.size(), state);
  parallel_for(static_cast<int64_t>(variants.size()), threads, [&](int64_t index, int) {
    const auto i = static_cast<size_t>(index);
    (void)passes::compute_encodings(trials[i], statistics, *variants[i].method, weight_method, variants[i].options,
                                    chosen.empty() ? passes::ChosenRanges{} : chosen[i]);
  });
  const auto& blocks = simulation.measure().blocks();
  std::vector<MethodScore> scores;
  const std::vector<optimize::OutputNoise> noise = simulation.of_each(trials);
  for (size_t i = 0; i < noise.size(); ++i) {
    MethodScore score{.label = variants[i].label, .cost = noise[i].cost(blocks)};
    for (size_t b = 0; b < blocks.size(); ++b) score.output_sqnr_db.emplace_back(blocks[b].name, noise[i].sqnr_db(b));
    scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace qtool::pipeline
