#include "method_comparison.h"

#include <algorithm>

#include "qtool/support/format.h"

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

MethodScore MethodTrial::score(const MethodVariant& variant, const passes::ChosenRanges& chosen) const {
  model::ModelState trial = state;
  (void)passes::compute_encodings(trial, statistics, *variant.method, weight_method, variant.options, chosen);
  const optimize::OutputNoise noise = simulation.of(trial);
  const auto& blocks = simulation.measure().blocks();
  MethodScore score{.label = variant.label, .cost = noise.cost(blocks)};
  for (size_t i = 0; i < blocks.size(); ++i) score.output_sqnr_db.emplace_back(blocks[i].name, noise.sqnr_db(i));
  return score;
}

}  // namespace qtool::pipeline
