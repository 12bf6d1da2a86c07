#include "report.h"

#include "json_number.h"
#include "qtool/pipeline/recipe.h"
#include "qtool/pipeline/stage_json.h"
#include "precision_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "qtool/quant/quantize.h"
#include "qtool/quant/symmetry_name.h"
#include "report_precision.h"
#include "qtool/pipeline/search_json.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kReportSchema = 1;

Json options_json(const ReportInputs& in) {
  const QuantizeConfig& config = in.config;
  Json options;
  options["profile"] = in.quantized.profile.name;
  options["profile_sha256"] = in.quantized.profile.sha256;
  options["act_bitwidth"] = in.quantized.profile.activation_bits;
  options["weights_bitwidth"] = in.quantized.profile.weight_bits;
  options["bias_bitwidth"] = in.quantized.profile.bias_bits;
  options["use_per_channel_quantization"] = in.quantized.profile.per_channel;
  options["use_symmetric_quantize_weights"] = in.quantized.profile.weight_symmetric;
  options["act_quantizer_calibration"] = config.method_of_activations();
  options["param_quantizer_calibration"] = config.weight_method;
  options["percentile_calibration_value"] = config.percentile;
  if (config.activation_schema) options["act_quantizer_schema"] = quant::symmetry_name(*config.activation_schema);
  if (config.weight_schema) options["param_quantizer_schema"] = quant::symmetry_name(*config.weight_schema);
  options["min_range"] = in.quantized.profile.min_range;
  options["input_shape"] = config.model.input_shapes;
  options["split_output"] = config.model.split_outputs;
  options["unroll_recurrent"] = config.model.unroll_recurrent;
  options["limit"] = config.data.limit;
  options["float"] = Json::array();
  for (const passes::PrecisionRule& rule : config.precision) {
    if (rule.kind == passes::PrecisionRule::Kind::kFloat) options["float"].push_back(rule.pattern);
  }
  options["emit"] = config.emit;
  options["encodings_version"] = config.encodings_version;
  options["weight_block_size"] = config.blocks.block_size;
  options["lpbq"] = config.blocks.decompressed_bits > 0;
  options["bias_overflow_guard"] = in.quantized.profile.bias_overflow_guard;
  options["optimizations"] = config.optimizations;
  options["accept"] = config.accept;
  options["data_free"] = config.data_free;
  return options;
}

Json encoding_summary(const model::ModelState& state, ir::ValueId id, const model::EncodingEntry& entry) {
  const quant::Encoding& encoding = entry.encoding;
  Json json;
  json["bitwidth"] = encoding.bits;
  json["symmetric"] = encoding.is_symmetric;
  if (encoding.per_block()) {
    json["block_size"] = encoding.block_size;
    json["block_axis"] = encoding.block_axis;
    json["lpbq"] = encoding.low_power.has_value();
  }
  if (encoding.per_channel()) {
    double smallest = encoding.grids[0].scale, largest = smallest;
    for (const quant::Grid& grid : encoding.grids) {
      smallest = std::min(smallest, grid.scale);
      largest = std::max(largest, grid.scale);
    }
    json["channel_axis"] = encoding.channel_axis;
    json[encoding.per_block() ? "blocks" : "channels"] = encoding.grids.size();
    json["scale_min"] = smallest;
    json["scale_max"] = largest;
  } else {
    json["scale"] = encoding.grids[0].scale;
    json["offset"] = encoding.grids[0].offset;
    json["min"] = encoding.min();
    json["max"] = encoding.max();
  }
  json["source"] = entry.source;
  if (entry.degenerate) json["degenerate"] = true;
  if (const model::TensorPlan* plan = state.plan.find(id)) json["rule"] = plan->reason;
  return json;
}

Json tensors_json(const ReportInputs& in) {
  const model::ModelState& state = in.quantized.model.state;
  Json activations = Json::object(), parameters = Json::object();
  for (const auto& [id, entry] : state.encodings) {
    Json json = encoding_summary(state, id, entry);
    const std::string& name = state.graph.value(id).name;
    if (const Tensor* constant = state.graph.constant(id)) {
      const quant::QuantizationError error = quant::quantization_error(*constant, entry.encoding);
      json["sqnr_db"] = finite_or_null(error.sqnr());
      json["clipped"] = error.clipped;
      parameters[name] = std::move(json);
      continue;
    }
    if (const auto seen = in.quantized.optimized.calibration.statistics.find(id); seen != in.quantized.optimized.calibration.statistics.end()) {
      json["observed_min"] = seen->second.range.lo;
      json["observed_max"] = seen->second.range.hi;
      if (seen->second.non_finite > 0) json["non_finite"] = seen->second.non_finite;
    }
    activations[name] = std::move(json);
  }
  Json unquantized = Json::object();
  for (const auto& [id, reason] : state.plan.left_float) unquantized[state.graph.value(id).name] = reason;
  return {{"activations", std::move(activations)}, {"parameters", std::move(parameters)}, {"without_encoding", std::move(unquantized)}};
}

Json narrow_biases_json(const passes::EncodingNotes& notes) {
  Json list = Json::array();
  for (const auto& bias : notes.narrow_biases) {
    list.push_back({{"name", bias.name}, {"sqnr_db", finite_or_null(bias.sqnr_db)}, {"worst_error_in_output_levels", bias.worst_output_levels}});
  }
  return list;
}

Json comparison_json(const QuantizedModel& quantized) {
  const model::ModelState& state = quantized.model.state;
  const MethodComparison& comparison = *quantized.comparison;
  Json methods = Json::array(), tensors = Json::object();
  for (const MethodScore& score : comparison.scores) {
    Json outputs = Json::object();
    for (const auto& [block, db] : score.output_sqnr_db) outputs[block] = finite_or_null(db);
    methods.push_back({{"method", score.label}, {"combined_db", finite_or_null(optimize::cost_db(score.cost))}, {"output_sqnr_db", std::move(outputs)}});
  }
  for (const auto& [id, ranges] : comparison.tensors) {
    Json& row = tensors[state.graph.value(id).name];
    for (const MethodRange& range : ranges) {
      row[range.label] = {{"min", range.range.lo}, {"max", range.range.hi}, {"sqnr_db", finite_or_null(range.own_sqnr_db)}};
    }
  }
  Json json = {{"samples", comparison.samples}, {"methods", std::move(methods)}};
  if (!tensors.empty()) json["tensors"] = std::move(tensors);
  return json;
}

// What `auto` tried: output noise in dB with the tensor's quantizer alone, the chosen range first.
Json choices_json(const QuantizedModel& quantized) {
  Json tensors = Json::object();
  for (const auto& [id, tried] : quantized.range_choices.tried) {
    Json& row = tensors[quantized.model.state.graph.value(id).name];
    for (const optimize::TriedRange& range : tried) {
      row.push_back({{"method", range.method}, {"min", range.range.lo}, {"max", range.range.hi}, {"output_db", finite_or_null(range.cost_db)}});
    }
  }
  return {{"samples", quantized.range_choices.samples}, {"tensors", std::move(tensors)}};
}

Json notes_json(const passes::EncodingNotes& notes) {
  return {{"no_statistics", notes.no_statistics}, {"degenerate", notes.degenerate}, {"dead_channels", notes.dead_channels},
          {"non_finite", notes.non_finite}, {"bias_overflow", notes.bias_overflow}, {"bias_clipped", notes.bias_clipped},
          {"bias_8_bit", narrow_biases_json(notes)}, {"concat", notes.concat}, {"concat_dead", notes.concat_dead}};
}

Json overrides_json(const ReportInputs& in) {
  const OverrideOutcome& outcome = *in.quantized.overrides;
  return {{"file", in.config.overrides.file.filename().string()}, {"from_file", outcome.from_file}, {"tensors", outcome.total},
          {"summary", outcome.line}, {"filled", outcome.filled}};
}

Json optimizations_json(const optimize::OptimizeResult& optimized) {
  Json rows = Json::array();
  for (const optimize::StageRow& row : optimized.rows) rows.push_back(stage_json(row));
  return {{"held_out_samples", optimized.held_out}, {"stages", std::move(rows)}};
}

}  // namespace

Json stage_json(const optimize::StageRow& row) {
  Json json{{"stage", row.stage}, {"decision", row.decision}};
  if (!row.reason.empty()) json["reason"] = row.reason;
  if (row.score) {
    json["sqnr_db"] = finite_or_null(row.score->sqnr_db);
    for (const auto& block : row.score->blocks) json["outputs"][block.name] = finite_or_null(block.sqnr_db);
    if (row.score->agreement) json["top1_agreement"] = 100.0 * *row.score->agreement;
  }
  if (row.float_difference) json["float_difference"] = finite_or_null(*row.float_difference);
  for (const auto& [name, count] : row.outcome.counts) json["counts"][name] = count;
  if (!row.outcome.notes.empty()) json["notes"] = row.outcome.notes;
  if (!row.outcome.details.empty()) json["details"] = row.outcome.details;
  return json;
}

double total_weight_sqnr(const model::ModelState& state) {
  quant::QuantizationError total;
  for (const auto& [id, plan] : state.plan.tensors) {
    const auto found = state.encodings.find(id);
    if (plan.role != model::TensorRole::kWeight || found == state.encodings.end()) continue;
    const auto error = quant::quantization_error(*state.graph.constant(id), found->second.encoding);
    total.signal_power += error.signal_power;
    total.noise_power += error.noise_power;
  }
  return total.sqnr();
}

std::string write_report(const ReportInputs& in) {
  Json report;
  report["schema_version"] = kReportSchema;
  report["tool"] = {{"name", "qtool"}, {"version", tool_version()}};
  report["model"] = {{"file", in.config.model.path.filename().string()},
                     {"sha256", in.quantized.model.sha256},
                     {"size_bytes", in.quantized.model.file_bytes},
                     {"opset", in.quantized.model.opset},
                     {"clean_up", in.quantized.model.clean_up}};
  Json inputs = Json::array();
  for (const data::InputSpec& spec : input_specs(in.quantized.model.state.graph)) {
    inputs.push_back({{"name", spec.name}, {"dtype", dtype_name(spec.type.dtype)}, {"shape", spec.type.shape.dims()}});
  }
  report["model"]["inputs"] = std::move(inputs);
  report["options"] = options_json(in);
  report["recipe"] = Json::parse(recipe_json(recipe_of(in.config, "this run")));
  report["calibration"] = {{"samples", in.quantized.optimized.calibration.samples}, {"sha256", in.data.sha256}, {"skipped", in.data.skipped}};
  if (!in.data.preprocessing_line.empty()) {
    report["calibration"]["preprocessing"] = Json::parse(in.data.preprocessing_json);
    report["calibration"]["preprocessing_text"] = in.data.preprocessing_line;
  }
  if (in.data.synthetic) report["calibration"]["synthetic_pictures"] = true;
  if (in.quantized.comparison) report["calibration"]["comparison"] = comparison_json(in.quantized);
  if (!in.quantized.range_choices.tried.empty()) report["calibration"]["range_choices"] = choices_json(in.quantized);
  report["weights_sqnr_db"] = finite_or_null(in.weight_sqnr_db);
  if (in.quantized.search) report["search"] = search_json(*in.quantized.search);
  if (in.quantized.precision) report["selective"] = precision_json(in.quantized.model.state.graph, *in.quantized.precision);
  if (!in.quantized.optimized.rows.empty()) report["optimizations"] = optimizations_json(in.quantized.optimized);
  report["tensors"] = tensors_json(in);
  report["precision"] = precision_json(in.quantized);
  if (in.quantized.overrides) report["overrides"] = overrides_json(in);
  report["notes"] = notes_json(in.quantized.notes);
  report["warnings"] = in.quantized.warnings;
  report["advice"] = in.quantized.advice;
  Json files = Json::object();
  for (const ReportedFile& file : in.files) {
    files[file.name] = {{"size_bytes", file.bytes}};
    for (const auto& [what, number] : file.counts) files[file.name][what] = number;
  }
  report["files"] = std::move(files);
  return report.dump(2) + "\n";
}

}  // namespace qtool::pipeline
