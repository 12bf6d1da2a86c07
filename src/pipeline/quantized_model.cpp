#include "quantized_model.h"

#include <algorithm>

#include "coarse_outputs.h"
#include "cost_rates_file.h"
#include "dead_outputs.h"
#include "first_outputs.h"
#include "normalization_check.h"
#include "precision_stage.h"
#include "qtool/calib/registry.h"
#include "qtool/optimize/synthetic_margin.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "recipe_search.h"
#include "statistics_source.h"

namespace qtool::pipeline {

namespace {
constexpr const char* kSeqMse = "seqmse";
}  // namespace

model::TargetProfile resolved_profile(const QuantizeConfig& config) {
  model::TargetProfile profile = load_profile(config.profile);
  if (config.bias_bitwidth) profile.bias_bits = *config.bias_bitwidth;
  if (config.act_bitwidth) profile.activation_bits = *config.act_bitwidth;
  if (config.weights_bitwidth) profile.weight_bits = *config.weights_bitwidth;
  if (config.symmetric_weights) profile.weight_symmetric = true;
  if (config.per_channel) {
    profile.per_channel = true;
    profile.weight_symmetric = true;  // backends take per-channel weights symmetric only
  }
  if (!config.min_range.empty()) set_min_range(profile, config.min_range);
  if (!config.cost_model.empty()) profile.cost = load_cost_rates(config.cost_model, profile.cost);
  if (!config.concat_policy.empty()) profile.concat_policy = concat_policy_of(config.concat_policy);
  if (!config.bias_overflow_guard) profile.bias_overflow_guard = false;
  if (profile.per_channel && config.weight_schema == quant::Symmetry::kAsymmetric) {
    throw Error(ErrorCode::kUsage, "--param_quantizer_schema asymmetric does not go with per-channel weights: backends take these symmetric only; "
                                   "use symmetric, or a profile with per-tensor weights such as dsp");
  }
  // An 8-bit bias needs per-tensor weights and 8-bit activations; the backend misreads or refuses anything else.
  if (profile.bias_bits == 8 && (profile.per_channel || profile.activation_bits > 8) && !config.bias_bitwidth) {
    profile.bias_bits = 32;
  }
  if (profile.bias_bits == 8 && (profile.per_channel || profile.activation_bits > 8)) {
    throw Error(ErrorCode::kUsage,
                format("--bias_bitwidth 8 does not go with {}: the backend takes an 8-bit bias only beside per-tensor weights "
                       "and 8-bit activations; use --bias_bitwidth 32",
                       profile.per_channel ? "per-channel weights" : "16-bit activations"));
  }
  return profile;
}

void refuse_quantized_model(const LoadedModel& model, const std::filesystem::path& path) {
  if (model.quantized) {
    throw Error(ErrorCode::kInvalidModel,
                format("the model is quantized already: {}; give the FP32 model it was made from, or look at this one with "
                       "`qtool inspect` and run it with `qtool run`", *model.quantized))
        .with("file", path.string());
  }
}

namespace {

std::vector<std::string> advice_for(const model::TargetProfile& profile, const model::ModelState& state) {
  std::vector<std::string> changes;
  size_t weights = 0, biases = 0;
  for (const auto& [id, plan] : state.plan.tensors) {
    if (plan.role == model::TensorRole::kWeight) ++weights;
    if (plan.role == model::TensorRole::kBias) ++biases;
  }
  if (!profile.per_channel) changes.push_back(format("per-channel scales for {} weight tensors", weights));
  if (profile.bias_bits < 32 && biases > 0) changes.push_back(format("int32 instead of 8-bit for {} biases", biases));
  if (changes.empty()) return {};
  return {format("recommended (--profile htp --bias_bitwidth 32) would change: {}", join(changes, ", "))};
}

// The schemas of the command line are stronger than the profile's; prescribed ranges keep theirs.
void apply_schemas(const QuantizeConfig& config, model::QuantPlan& plan) {
  for (auto& [id, tensor] : plan.tensors) {
    if (tensor.role == model::TensorRole::kWeight && config.weight_schema) tensor.spec.symmetry = *config.weight_schema;
    if (tensor.role == model::TensorRole::kActivation && config.activation_schema && !tensor.fixed_range) tensor.spec.symmetry = *config.activation_schema;
  }
}

void say_notes(const passes::EncodingNotes& notes, std::vector<std::string>& warnings) {
  const auto add = [&](const std::vector<std::string>& list, std::string_view what) {
    if (!list.empty()) warnings.push_back(format("{} {}, first: {}", list.size(), what, list.front()));
  };
  add(notes.no_statistics, "planned tensors were never seen on calibration data and have no encoding");
  add(notes.non_finite, "tensors held NaN or infinity on calibration data; those values were left out");
  add(notes.bias_overflow, "biases did not fit int32; the weight scale was enlarged");
  add(notes.bias_clipped, "biases do not fit int32 at input scale x weight scale and are clipped");
  for (const std::string& dead : notes.concat_dead) warnings.push_back(dead);
}

void say_plan(const passes::PlanNotes& notes, Reporter& reporter) {
  for (const auto& [rule, operators] : notes.rules) reporter.info(format("{} '{}': {} operators", rule.option, rule.pattern, operators));
  const auto add = [&](const std::vector<std::string>& list, std::string_view what) {
    if (!list.empty()) reporter.info(format("{} {}, first: {}", list.size(), what, list.front()));
  };
  add(notes.limited, "widths changed to what the profile allows");
  add(notes.grouped, "tensors changed width with one they share an encoding with");
  add(notes.unblocked, "weights without blocks");
}

passes::PlanOptions plan_options(const QuantizeConfig& config, const std::optional<Overrides>& overrides, const optimize::TensorBits& wide,
                                 const std::vector<std::vector<ir::ValueId>>& shared_grids) {
  passes::PlanOptions options{.rules = config.precision};
  options.blocks = config.blocks;
  options.shared_grids = shared_grids;
  if (overrides) add_to_plan(*overrides, options);
  for (const auto& [id, bits] : wide) {
    if (bits >= optimize::kFloatBits) options.float_tensors.insert(id);
    else options.tensor_bits.emplace(id, bits);
  }
  return options;
}

void say_normalization(const QuantizedModel& quantized, const CalibrationData& data, std::vector<std::string>& warnings) {
  const auto outside = layers_outside_batch_norm(quantized.model.state, quantized.optimized.calibration.statistics);
  const size_t compared = comparable_layers(quantized.model.state, quantized.optimized.calibration.statistics);
  if (outside.empty() || outside.size() * 4 < compared) return;
  warnings.push_back(format("activations lie far outside what the batch-norm statistics expect in {} of {} layers (first: {}): "
                            "is the preprocessing right? It was: {}", outside.size(), compared, outside.front(),
                            data.preprocessing_line.empty() ? "tensor files" : data.preprocessing_line));
}

}  // namespace

optimize::Accept parse_accept(const std::string& text) {
  if (text == "auto") return optimize::Accept::kAuto;
  if (text == "always") return optimize::Accept::kAlways;
  throw Error(ErrorCode::kUsage, format("--accept {}: use auto or always", text));
}

optimize::Relu6Policy parse_relu6_policy(const std::string& text) {
  if (text == "auto") return optimize::Relu6Policy::kAuto;
  if (text == "keep") return optimize::Relu6Policy::kKeep;
  if (text == "replace") return optimize::Relu6Policy::kReplace;
  throw Error(ErrorCode::kUsage, format("--cle-relu6 {}: use auto, keep or replace", text));
}

namespace {

bool wants_seqmse(const QuantizeConfig& config) { return config.weight_method == kSeqMse; }

// SeqMSE needs layer outputs, so it is a stage; rounding that follows starts from its grids by itself.
std::vector<std::string> stages_of(const QuantizeConfig& config) {
  std::vector<std::string> stages = config.stages();
  const bool rounds = std::find(stages.begin(), stages.end(), "adaround") != stages.end();
  if (wants_seqmse(config) && !rounds) stages.emplace_back(kSeqMse);
  return stages;
}

rounding::AdaroundOptions adaround_options(const QuantizeConfig& config, const CalibrationData& data, SharedWork* shared) {
  rounding::AdaroundOptions options = config.adaround;
  options.method = rounding::method_from_name(config.adaround_method);
  options.seqmse_base = wants_seqmse(config);
  if (shared != nullptr) options.memory = &shared->roundings();
  options.checkpoint_key = format("qtool {}, samples {}", tool_version(), data.sha256);
  return options;
}

}  // namespace

QuantizedModel quantize_in_memory(const QuantizeConfig& config, LoadedModel model, const CalibrationData& all_data, StageClock& clock,
                                  Reporter& reporter, SharedWork* shared) {
  if (config.automatic()) return search_recipe(config, model, all_data, clock, reporter);
  std::optional<CalibrationData> part;
  if (config.keep_aside.value_or(0) > 0) part = without_samples_aside(all_data, *config.keep_aside);
  const CalibrationData& data = part ? *part : all_data;
  QuantizedModel result{.model = std::move(model), .profile = resolved_profile(config)};
  model::ModelState& state = result.model.state;
  const calib::Method& activation_method = calib::builtin_registry().at(config.method_of_activations());
  const calib::Method& weight_method = calib::builtin_registry().at(config.weight_method);
  passes::ChosenRanges chosen;  // once all samples were seen

  std::optional<Overrides> overrides = load_overrides(config.overrides, result.model, reporter);
  optimize::TensorBits wide = wide_tensors(config, state.graph);
  const PlanFunction plan = [&](model::ModelState& target, const optimize::TensorBits& more) {
    optimize::TensorBits bits = wide;
    bits.insert(more.begin(), more.end());
    result.plan_notes = passes::plan_quantization(target, result.profile, ops::builtin_registry(), plan_options(config, overrides, bits, result.model.unrolled.shared_grids));
    apply_schemas(config, target.plan);
    widen_constants(bits, target);
    if (overrides) freeze_encodings(*overrides, target);
  };
  optimize::Quantizer quantizer{
      .plan = [&](model::ModelState& target) { plan(target, {}); },
      .calibrate = [&](const model::ModelState& target, const data::SampleSource& source) {
        // Some of the samples only serve to compare stages.
        if (&source != data.source.get()) {
          const calib::CalibrationOptions quick{.threads = config.threads, .histograms = needs_histograms(config)};
          return calibrate(shared, target.graph, passes::observed_values(target), source, quick, reporter);
        }
        const auto run = [&] { return run_calibration(config, target, source, shared, reporter); };
        CalibrationStage stage = shared != nullptr ? shared->stage(range_options(config), target.graph, run) : run();
        result.range_choices = std::move(stage.choices);
        result.comparison = std::move(stage.comparison);
        chosen = std::move(stage.chosen);
        return std::move(stage.statistics);
      },
      .encode = [&](model::ModelState& target, const calib::CalibrationResult& seen) {
        std::erase_if(target.encodings, [](const auto& entry) { return !entry.second.frozen; });
        // A method that cuts tails must not cut the rare positives of a detector's last layers.
        if (chosen.empty() && (config.chooses_precision() || config.outputs_min_max)) chosen = optimize::decision_ranges(target, seen.statistics);
        std::optional<calib::CalibrationResult> widened;
        if (data.synthetic) widened = optimize::with_synthetic_margin(target.graph, seen);
        result.notes = passes::compute_encodings(target, widened ? widened->statistics : seen.statistics, activation_method, weight_method,
                                                 {.percentile = config.percentile}, chosen, &result.profile, config.threads);
      }};
  if (shared != nullptr) {
    quantizer.collect = [&](const ir::Graph& graph, const data::SampleSource& source) { return shared->collect(graph, source, config.threads, reporter); };
  }
  if (config.chooses_precision() && data.source) {
    const auto select = [&] { return select_precision(config, state, plan, *data.source, result.profile, shared, reporter); };
    result.precision = shared != nullptr ? shared->precision(range_options(config), state.graph, select) : select();
    for (const optimize::PrecisionChoice& choice : result.precision->choices) wide[choice.value] = choice.bits;
  }
  if (data.statistics) {
    quantizer.plan(state);
    result.optimized.calibration = statistics_of(*data.statistics, state.graph, passes::observed_values(state));
    quantizer.encode(state, result.optimized.calibration);
  } else {
    result.optimized = optimize::optimize(state, quantizer, data.source.get(), result.profile,
                                          {.stages = stages_of(config), .accept = parse_accept(config.accept),
                                           .relu6 = parse_relu6_policy(config.relu6), .threads = config.threads, .adaround = adaround_options(config, data, shared),
                                           .inputs = config.data_free && !data.source ? image_input_moments(config.data, state.graph, reporter)
                                                                      : std::map<std::string, optimize::ChannelMoments>{}},
                                          reporter);
  }
  if (result.precision) {
    const auto rows = precision_rows(state.graph, *result.precision);
    result.optimized.rows.insert(result.optimized.rows.begin(), rows.begin(), rows.end());
    result.optimized.held_out = std::max(result.optimized.held_out, result.precision->samples);
  }
  clock.mark("calibrate");
  say_plan(result.plan_notes, reporter);
  if (overrides) {
    result.overrides = outcome_of(*overrides, state);
    reporter.info(result.overrides->line);
  }

  say_notes(result.notes, result.warnings);
  say_normalization(result, data, result.warnings);
  const std::vector<Tensor> outputs = data.source ? first_outputs(state.graph, *data.source) : std::vector<Tensor>{};
  std::ranges::move(dead_output_warnings(state, outputs), std::back_inserter(result.warnings));
  for (const std::string& warning : result.warnings) reporter.warning(warning);
  result.advice = advice_for(result.profile, state);
  std::ranges::move(coarse_output_advice(state, outputs), std::back_inserter(result.advice));
  for (const std::string& line : result.advice) reporter.info(line);
  clock.mark("encodings");
  return result;
}

}  // namespace qtool::pipeline
