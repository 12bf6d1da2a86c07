#include "shared_work.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph_fingerprint.h"
#include "qtool/pipeline/recipe.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

std::string names_of(const data::SampleSource& source) {
  std::string names = format("{} samples", source.size());
  for (int64_t i = 0; i < source.size(); ++i) names += "\n" + source.name(i);
  return names;
}

// The kept result under `key`, or a new one that is kept.
template <class Result, class Compute>
Result kept_or_new(std::map<std::string, Result>& kept, const std::string& key, int64_t& reused, const Compute& compute) {
  const auto found = kept.find(key);
  if (found != kept.end()) {
    ++reused;
    return found->second;
  }
  return kept.emplace(key, compute()).first->second;
}

}  // namespace

calib::CalibrationResult SharedWork::calibrate(const ir::Graph& graph, const std::vector<ir::ValueId>& observed, const data::SampleSource& source,
                                               const calib::CalibrationOptions& options, Reporter& reporter) {
  std::string key = graph_fingerprint(graph) + "\n" + names_of(source);
  for (const ir::ValueId id : observed) key += format("\n{}", static_cast<uint32_t>(id));
  const auto run = [&] { return calib::calibrate(graph, observed, source, options, reporter); };
  const std::string with = key + "\nhistograms";
  if (options.histograms) return kept_or_new(calibrations_, with, reused_, run);
  if (!calibrations_.contains(with)) return kept_or_new(calibrations_, key, reused_, run);
  calib::CalibrationResult result = kept_or_new(calibrations_, with, reused_, run);
  for (auto& [id, statistics] : result.statistics) statistics.histogram.reset();
  return result;
}

optimize::Statistics SharedWork::collect(const ir::Graph& graph, const data::SampleSource& source, int threads, Reporter& reporter) {
  return kept_or_new(statistics_, graph_fingerprint(graph) + "\n" + names_of(source), reused_,
                     [&] { return optimize::collect_statistics(graph, source, threads, reporter); });
}

CalibrationStage SharedWork::stage(const std::string& options, const ir::Graph& graph, const std::function<CalibrationStage()>& compute) {
  return kept_or_new(stages_, options + graph_fingerprint(graph), reused_, compute);
}

optimize::PrecisionResult SharedWork::precision(const std::string& options, const ir::Graph& graph,
                                                const std::function<optimize::PrecisionResult()>& compute) {
  return kept_or_new(precisions_, options + graph_fingerprint(graph), reused_, compute);
}

calib::CalibrationResult calibrate(SharedWork* shared, const ir::Graph& graph, const std::vector<ir::ValueId>& observed,
                                   const data::SampleSource& source, const calib::CalibrationOptions& options, Reporter& reporter) {
  return shared != nullptr ? shared->calibrate(graph, observed, source, options, reporter)
                           : calib::calibrate(graph, observed, source, options, reporter);
}

std::string range_options(const QuantizeConfig& config) {
  auto json = nlohmann::ordered_json::parse(recipe_json(recipe_of(config, "")));
  // What only says which stages follow, or how rounding is done.
  for (const char* key : {"optimizations", "accept", "cle-relu6", "adaround-method", "seed", "adaround-8bit-share", "adaround-blocks", "adaround-tabu", "adaround-iterations", "adaround-lambda",
                          "adaround-beta-range", "adaround-warm-start", "adaround-learning-rate", "adaround-batch"}) {
    json["options"].erase(key);
  }
  // What the recipe leaves to the whole of the options, and the folder that it does not name.
  json["method"] = config.method_of_activations();
  json["selective"] = config.selective();
  json["head"] = config.chooses_precision();
  if (config.precision_limits.most_cost) json["most_cost"] = *config.precision_limits.most_cost;
  if (config.precision_limits.least_gain_db) json["least_gain_db"] = *config.precision_limits.least_gain_db;
  json["cost_model"] = config.cost_model.string();
  json["overrides"] = config.overrides.file.string();
  json["histograms"] = config.histograms;
  return json.dump() + "\n";
}

}  // namespace qtool::pipeline
