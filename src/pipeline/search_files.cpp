#include "search_files.h"

#include <algorithm>

#include "qtool/exporters/encodings_json.h"
#include "qtool/exporters/float_onnx.h"
#include "qtool/pipeline/recipe.h"
#include "qtool/support/format.h"
#include "search_steps.h"

namespace qtool::pipeline {

namespace {

exporters::OutputFile text_file(std::string name, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {std::move(name), Bytes(bytes.begin(), bytes.end())};
}

bool adapted(const QuantizedModel& quantized) {
  return std::ranges::any_of(quantized.optimized.rows, [](const optimize::StageRow& row) {
    return row.decision == "kept" && optimize::builtin_registry().find(row.stage) != nullptr;
  });
}

}  // namespace

std::vector<exporters::OutputFile> search_files(const QuantizeConfig& config, const QuantizedModel& quantized, const std::string& model_name,
                                                Reporter& reporter) {
  if (!config.chooses_precision() && !config.automatic()) return {};
  QuantizeConfig settled = quantized.resolved.value_or(config);
  if (!quantized.resolved) settle_precision(settled, quantized);
  std::vector<exporters::OutputFile> files;
  const model::TargetProfile& profile = quantized.profile;
  const exporters::WrittenEncodings written = exporters::write_encodings(
      quantized.model.state, {.activation_bits = profile.activation_bits, .weight_bits = profile.weight_bits,
                              .symmetric_weights = profile.weight_symmetric, .per_channel = profile.per_channel},
      exporters::EncodingsFormat::kOverrides);
  for (const std::string& loss : written.losses) reporter.info("overrides: " + loss);
  files.push_back(text_file(model_name + ".overrides.json", written.text));
  Recipe recipe = recipe_of(settled, model_name);
  recipe.summary = quantized.search ? format("found by --optimizations auto: {}", quantized.search->verdict)
                                    : format("found by --optimizations {}", join(config.optimizations, ","));
  files.push_back(text_file(model_name + ".recipe.json", recipe_json(recipe)));
  if (adapted(quantized)) {
    files.push_back({model_name + ".adapted.onnx", exporters::write_float_onnx(quantized.model.state.graph, {.tool_version = tool_version()})});
  }
  return files;
}

}  // namespace qtool::pipeline
