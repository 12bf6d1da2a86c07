#include "search_steps.h"

#include <algorithm>

#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

// Prices of one more wide activation and ceilings of the finer selective steps; the first step has the tool's defaults.
struct Finer {
  const char* name;
  double least_gain_db, most_cost;
};
constexpr Finer kFiner[] = {{"selective, finer", 0.03, 1.15}, {"selective, finest", 0.01, 1.5}};

bool contains(const std::vector<std::string>& list, const std::string& name) { return std::ranges::find(list, name) != list.end(); }

std::optional<QuantizeConfig> with_optimization(const QuantizeConfig& config, const std::vector<std::string>& names) {
  QuantizeConfig next = config;
  for (const std::string& name : names) {
    if (!contains(next.optimizations, name)) next.optimizations.push_back(name);
  }
  return next.optimizations == config.optimizations ? std::nullopt : std::optional(next);
}

// Corrections smaller than half a step of an 8-bit bias are lost.
std::optional<QuantizeConfig> with_corrections(const QuantizeConfig& config, const std::vector<std::string>& names) {
  auto next = with_optimization(config, names);
  if (next && !next->bias_bitwidth && resolved_profile(*next).bias_bits < 32) next->bias_bitwidth = 32;
  return next;
}

bool settle_without_rerun(QuantizeConfig& config, const QuantizedModel& found) {
  settle_precision(config, found);
  return false;
}

// The method that "best" found, by name.
bool settle_method(QuantizeConfig& config, const QuantizedModel& found) {
  if (!found.comparison || found.comparison->scores.empty()) return false;
  const std::string& winner = found.comparison->scores.front().label;
  for (const MethodVariant& method : usual_methods()) {
    if (!winner.starts_with(method.label + ",")) continue;
    config.activation_method = method.method->name;
    config.percentile = method.options.percentile;
    config.outputs_min_max = true;
  }
  return true;
}

// A glob that matches this name alone.
std::string literal(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

SearchStep selective_step(const std::string& name, double least_gain_db, double most_cost) {
  return {.name = name, .extra = 9.0, .costly = true,
          .propose = [=](const QuantizeConfig& config) {
            auto next = with_optimization(config, {"selective"});
            if (next) next->precision_limits = {.most_cost = std::min(most_cost, config.search.target_cost.value_or(most_cost)), .least_gain_db = least_gain_db};
            return next;
          },
          .settle = settle_without_rerun};
}

// Everything at these widths; what was found tensor by tensor is moot then.
SearchStep uniform_step(const std::string& name, int activations, std::optional<int> weights) {
  return {.name = name, .extra = 0.5, .costly = true, .propose = [=](const QuantizeConfig& config) -> std::optional<QuantizeConfig> {
            QuantizeConfig next = config;
            next.act_bitwidth = activations;
            if (weights) next.weights_bitwidth = weights;
            next.bias_bitwidth = 32;
            next.wide_activations.clear();
            next.wide_weights.clear();
            const model::TargetProfile before = resolved_profile(config), after = resolved_profile(next);
            if (before.activation_bits == after.activation_bits && before.weight_bits == after.weight_bits) return std::nullopt;
            return next;
          }};
}

}  // namespace

std::vector<SearchStep> search_steps(const QuantizeConfig& asked) {
  std::vector<SearchStep> steps;
  steps.push_back({.name = "head", .extra = 2.0, .propose = [](const QuantizeConfig& config) { return with_optimization(config, {"head"}); },
                   .settle = settle_without_rerun});
  steps.push_back({.name = "32-bit bias", .propose = [](const QuantizeConfig& config) -> std::optional<QuantizeConfig> {
                     if (config.bias_bitwidth || resolved_profile(config).bias_bits >= 32) return std::nullopt;
                     QuantizeConfig next = config;
                     next.bias_bitwidth = 32;
                     return next;
                   }});
  if (asked.activation_method.empty()) {  // a method that the user named stays
    steps.push_back({.name = "ranges", .extra = 5.0,
                     .propose = [](const QuantizeConfig& config) -> std::optional<QuantizeConfig> {
                       QuantizeConfig next = config;
                       next.activation_method = "best";
                       return next;
                     },
                     .settle = settle_method});
  }
  steps.push_back({.name = "cle, bc", .extra = 6.0, .propose = [](const QuantizeConfig& config) { return with_corrections(config, {"cle", "bc"}); }});
  SearchStep selective = selective_step("selective", optimize::PrecisionOptions{}.least_gain_db, optimize::PrecisionOptions{}.most_cost);
  selective.costly = false;
  steps.push_back(std::move(selective));
  // Rolled back among ruins it may pay once the worst tensors have 16 bits.
  steps.push_back({.name = "bc", .extra = 2.0, .propose = [](const QuantizeConfig& config) { return with_corrections(config, {"bc"}); }});
  if (asked.activation_method.empty()) {
    steps.push_back({.name = "ranges one by one", .extra = 30.0, .propose = [](const QuantizeConfig& config) -> std::optional<QuantizeConfig> {
                       QuantizeConfig next = config;
                       next.activation_method = "auto";
                       return next;
                     },
                     .against = NoiseSource::kActivations});
  }
  steps.push_back({.name = "adaround", .extra = 15.0, .propose = [](const QuantizeConfig& config) { return with_optimization(config, {"adaround"}); },
                   .against = NoiseSource::kWeights});
  for (const Finer& finer : kFiner) steps.push_back(selective_step(finer.name, finer.least_gain_db, finer.most_cost));
  steps.push_back(uniform_step("16-bit activations", 16, std::nullopt));
  steps.push_back(uniform_step("16-bit weights", 16, 16));
  return steps;
}

void settle_precision(QuantizeConfig& config, const QuantizedModel& found) {
  config.activation_method = config.method_of_activations();  // its default depends on what is erased here
  std::erase_if(config.optimizations, [](const std::string& name) { return name == "head" || name == "selective"; });
  config.precision_limits = {};
  if (!found.precision) return;
  const ir::Graph& graph = found.model.state.graph;
  for (const optimize::PrecisionChoice& choice : found.precision->choices) {
    const std::string& name = graph.value(choice.value).name;
    if (choice.bits >= optimize::kFloatBits) config.precision.push_back({.kind = passes::PrecisionRule::Kind::kFloat, .pattern = literal(name), .option = "--float"});
    else (graph.is_constant(choice.value) ? config.wide_weights : config.wide_activations).push_back(name);
  }
  config.outputs_min_max = true;
}

std::string precision_name(const QuantizeConfig& config) {
  const model::TargetProfile profile = resolved_profile(config);
  return format("W{}A{}", profile.weight_bits, profile.activation_bits);
}

}  // namespace qtool::pipeline
