#include "precision_stage.h"

#include <algorithm>
#include <mutex>

#include "method_comparison.h"
#include "qtool/calib/calibrator.h"
#include "qtool/calib/registry.h"
#include "qtool/data/subset_source.h"
#include "qtool/optimize/choose_ranges.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"
#include "shared_work.h"

namespace qtool::pipeline {

namespace {

constexpr int64_t kMostHeldOut = 32;
constexpr int kWideBits = 16;
constexpr int64_t kMostSamples = 64;  // for the ranges of the search; the final ones see all

// Where the method of activations is itself to be measured, those that it chooses among; outliers rarely pay, so the search
// starts from a percentile.
std::vector<MethodVariant> trial_methods(const QuantizeConfig& config) {
  const std::string name = config.method_of_activations();
  if (name != "auto" && name != "best") return {{name, &calib::builtin_registry().at(name), {.percentile = config.percentile}}};
  std::vector<MethodVariant> methods = usual_methods();
  const auto start = std::ranges::find_if(methods, [](const MethodVariant& m) { return m.method->name == "percentile"; });
  std::rotate(methods.begin(), start, methods.end());
  return methods;
}

void add_wide(const std::vector<std::string>& names, const ir::Graph& graph, bool constant, optimize::TensorBits& bits) {
  for (const std::string& name : names) {
    const ir::ValueId id = graph.find_value(name);
    if (id == ir::kNoValue || graph.is_constant(id) != constant) {
      std::vector<std::string> all;
      for (const ir::ValueId known : graph.value_ids()) {
        if (graph.is_constant(known) == constant) all.push_back(graph.value(known).name);
      }
      throw Error(ErrorCode::kUsage, format("--wide-{}: the model has no {} '{}'{}", constant ? "weights" : "activations",
                                            constant ? "weight" : "activation", name, did_you_mean(name, all)));
    }
    bits[id] = kWideBits;
  }
}

std::string wide_line(const optimize::WideTensors& wide) {
  return wide.weights > 0 ? format("{} activations and {} weights", wide.activations, wide.weights) : format("{} activations", wide.activations);
}

// Where the profile lists the width; one that lists none says nothing of what its hardware has.
std::set<std::string> operators_with_wide_weights(const model::TargetProfile& profile) {
  std::set<std::string> operators;
  for (const auto& [type, limits] : profile.op_limits) {
    if (std::ranges::count(limits.weight_bits_at_16, kWideBits) > 0) operators.insert(type);
  }
  return operators;
}

}  // namespace

void widen_constants(const optimize::TensorBits& bits, model::ModelState& state) {
  // Box arithmetic in 16 bits with anchor points in 8 would still be off by a third of a cell.
  for (const ir::NodeId id : state.graph.node_ids()) {
    const ir::Node& node = state.graph.node(id);
    const model::TensorPlan* result = state.plan.find(node.outputs[0]);
    if (result == nullptr || !bits.contains(result->leader)) continue;
    for (const ir::ValueId input : node.inputs) {
      const auto operand = state.plan.tensors.find(input);
      const bool constant = operand != state.plan.tensors.end() && state.graph.is_constant(input);
      if (constant && operand->second.role == model::TensorRole::kActivation) operand->second.spec.bits = result->spec.bits;
    }
  }
}

optimize::PrecisionResult select_precision(const QuantizeConfig& config, const model::ModelState& floats, const PlanFunction& plan,
                                           const data::SampleSource& source, const model::TargetProfile& profile, SharedWork* shared, Reporter& reporter) {
  data::HeldOutSplit split = data::split_held_out(source.size(), kMostHeldOut);
  if (static_cast<int64_t>(split.kept.size()) > kMostSamples) split.kept.resize(kMostSamples);
  const auto kept = data::subset_of(source, split.kept), held_out = data::subset_of(source, split.held_out);

  model::ModelState planned = floats;
  plan(planned, {});
  const calib::CalibrationOptions all{.threads = config.threads, .histograms = true};
  const std::vector<ir::ValueId> observed = passes::observed_values(planned);
  const calib::CalibrationResult seen = calibrate(shared, planned.graph, observed, *kept, all, reporter);
  const calib::Method& weight_method = calib::builtin_registry().at(config.weight_method);
  std::vector<optimize::RangeMethod> methods;
  std::mutex planning;  // `plan` keeps notes
  for (const MethodVariant& variant : trial_methods(config)) {
    methods.push_back({variant.label, [&, variant](const optimize::TensorBits& bits) {
                         model::ModelState state = floats;
                         {
                           const std::lock_guard lock(planning);
                           plan(state, bits);
                         }
                         (void)passes::compute_encodings(state, seen.statistics, *variant.method, weight_method, variant.options,
                                                         optimize::decision_ranges(state, seen.statistics));
                         return state;
                       }});
  }
  const auto range_of = [&](ir::ValueId id) -> std::optional<quant::Range> {
    const model::TensorPlan* tensor = planned.plan.find(id);
    if (tensor == nullptr) return std::nullopt;
    const auto at = seen.statistics.find(tensor->leader);
    return at == seen.statistics.end() || at->second.empty() ? std::nullopt : std::optional(at->second.range);
  };
  optimize::PrecisionOptions options{.threads = config.threads, .rates = profile.cost};
  options.wide_weight_operators = operators_with_wide_weights(profile);
  options.float_joins = profile.cost.mac_float <= profile.cost.mac_16x16;
  const PrecisionLimits& limits = config.precision_limits;
  options.most_cost = limits.most_cost.value_or(config.search.target_cost.value_or(options.most_cost));
  options.least_gain_db = limits.least_gain_db.value_or(options.least_gain_db);
  if (!config.selective()) {
    methods.resize(1);
    options.head_only = true;
  }
  return optimize::choose_precision(methods, range_of, *held_out, options, reporter);
}

optimize::TensorBits wide_tensors(const QuantizeConfig& config, const ir::Graph& graph) {
  optimize::TensorBits bits;
  add_wide(config.wide_activations, graph, false, bits);
  add_wide(config.wide_weights, graph, true, bits);
  return bits;
}

std::vector<optimize::StageRow> precision_rows(const ir::Graph& graph, const optimize::PrecisionResult& precision) {
  std::vector<optimize::StageRow> rows;
  for (const optimize::PrecisionStep& step : precision.steps) {
    optimize::StageRow row{.stage = rows.empty() ? "start" : "selective"};
    row.score.emplace();
    row.score->sqnr_db = step.score_db;
    row.seconds = step.seconds;
    for (const auto& [name, db] : step.blocks) row.score->blocks.push_back({name, db});
    row.decision = rows.empty() ? "start" : step.kept ? "kept" : "rolled back";
    row.reason = rows.empty() ? "all activations as planned"
                              : format("{}: {} at more than 8 bits, relative cost {:.3f}", step.name, wide_line(step.wide), step.cost);
    if (step.name == "head") row.outcome.notes = optimize::head_summary(graph, precision.head);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace qtool::pipeline
