#include "quantize_page.h"

#include <algorithm>

#include "qtool/support/format.h"
#include "sample_images.h"
#include "worst_layers.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;

std::string size_text(size_t bytes) { return format("{:.2f} MB", static_cast<double>(bytes) / 1e6); }

Json cards(const ReportInputs& in) {
  size_t activations = 0, parameters = 0;
  for (const auto& [id, entry] : in.quantized.model.state.encodings) ++(in.quantized.model.state.graph.is_constant(id) ? parameters : activations);
  const size_t in_float = in.quantized.model.state.plan.left_float.size();
  const model::TargetProfile& p = in.quantized.profile;
  Json list = Json::array();
  list.push_back(card("Profile", p.name, format("W{}A{}, {}-bit bias, weights {}{}", p.weight_bits, p.activation_bits, p.bias_bits,
                                                p.weight_symmetric ? "symmetric " : "", p.per_channel ? "per channel" : "per tensor")));
  list.push_back(card("Weights SQNR", format("{:.1f} dB", in.weight_sqnr_db), "all weights together; 6 dB are one bit",
                      in.weight_sqnr_db < 25.0 ? "warn" : "good"));
  list.push_back(card("Calibrated on", format("{} samples", in.quantized.optimized.calibration.samples), format("activations by {}", in.config.method_of_activations())));
  list.push_back(card("Encodings", format("{}", activations + parameters), format("{} activations, {} parameters", activations, parameters)));
  list.push_back(card("Left in float", format("{} tensors", in_float), in_float == 0 ? "every tensor has a grid" : "the tensor table says why"));
  for (const auto& [name, bytes, counts] : in.files) {
    if (name.ends_with(".dlc")) list.push_back(card("Quantized model", size_text(bytes), format("{} in float", size_text(in.quantized.model.file_bytes))));
  }
  list.push_back(card("Warnings", format("{}", in.quantized.warnings.size()), in.quantized.warnings.empty() ? "nothing stood out" : "see below", in.quantized.warnings.empty() ? "good" : "bad"));
  return list;
}

// The most severe findings. Without a sensitivity analysis the rules of thumb rank them.
Json worst_layers(const ReportInputs& in) {
  constexpr size_t kShown = 9;
  std::vector<LayerFinding> found = find_worst_layers(in.quantized.model.state, in.quantized.optimized.calibration.statistics);
  found.resize(std::min(kShown, found.size()));
  Json list = Json::array();
  for (const LayerFinding& finding : found) list.push_back(finding_json(finding));
  return list;
}

Json sample_images(const ReportInputs& in, const exec::Executor& reference) {
  const model::ModelState& state = in.quantized.model.state;
  std::vector<SampleImage> samples;
  for (const std::filesystem::path& path : in.data.first_images) samples.push_back({path, {}});
  SampleImages images(state.graph, samples, {.preprocessing = in.data.preprocessing}, in.config.threads);
  images.add("FP32", reference);
  images.add("quantized", exec::Executor(state.graph, {.encodings = &state.encodings}));
  return images.part();
}

// What a rerun needs: report.json without the tensors, which have a section of their own.
Json run_part(const std::string& report_json) {
  Json run = Json::parse(report_json);
  for (const char* part : {"tensors", "warnings", "advice", "notes"}) run.erase(part);
  return run;
}

}  // namespace

Json stages_part(const std::vector<optimize::StageRow>& rows) {
  Json part = Json::array();
  for (const optimize::StageRow& row : rows) {
    std::vector<std::string> reasons;
    if (!row.reason.empty()) reasons.push_back(row.reason);
    for (const auto& [name, count] : row.outcome.counts) {
      if (count > 0) reasons.push_back(format("{} {}", count, name));
    }
    Json stage = {{"name", row.stage}, {"decision", row.decision}, {"reason", format("{}", join(reasons, "; "))}};
    if (row.score) stage["sqnr_db"] = finite(row.score->sqnr_db);
    if (row.score && row.score->agreement) stage["agreement"] = 100.0 * *row.score->agreement;
    part.push_back(std::move(stage));
  }
  return part;
}

std::string quantize_page(const QuantizePageInputs& inputs, Reporter& reporter) {
  const ReportInputs& in = inputs.report;
  Json document = start_document("quantize", in.config.model.path,
                                 format("profile {}, calibrated on {} samples", in.quantized.profile.name, in.quantized.optimized.calibration.samples));
  document["cards"] = cards(in);
  document["warnings"] = in.quantized.warnings;
  document["advice"] = in.quantized.advice;
  document["stages"] = stages_part(in.quantized.optimized.rows);
  document["worst_layers"] = worst_layers(in);
  document["tensors"] = tensors_part(in.quantized.model.state, in.quantized.optimized.calibration.statistics);
  document["equalization"] = equalization_part(inputs.weights_before, weight_channel_ranges(in.quantized.model.state.graph));
  document["images"] = sample_images(in, inputs.reference);
  document["run"] = run_part(inputs.report_json);
  return render_page(document, reporter);
}

}  // namespace qtool::pipeline
