// `--emit dlc`: the quantized container.
#include "qtool/container/dlc_writer.h"
#include "qtool/exporters/dlc_exporter.h"
#include "qtool/exporters/registry.h"
#include "qtool/support/format.h"

namespace qtool::exporters {

void register_dlc_file(Registry& registry) {
  registry.add({.name = "dlc",
                .summary = "<model>.dlc, quantized, container version 4.0",
                .write = [](const ExportRequest& request) -> std::vector<OutputFile> {
                  const model::TargetProfile& profile = request.profile;
                  DlcExportReport report;
                  DlcExportOptions options{.quantized = true, .model_name = request.model_name, .tool_version = request.tool_version};
                  options.recorded_options = {{"act_bitwidth", format("{}", profile.activation_bits)},
                                              {"weights_bitwidth", format("{}", profile.weight_bits)},
                                              {"bias_bitwidth", format("{}", profile.bias_bits)},
                                              {"use_per_channel_quantization", profile.per_channel ? "True" : "False"},
                                              {"profile", profile.name}};
                  Bytes content = container::write_dlc(build_dlc(request.state, options, &report));
                  for (const std::string& note : report.notes) request.reporter.debug(note);
                  std::map<std::string, size_t> counts = {{"operators", report.ops}, {"encodings", report.encodings}, {"inserted_conversions", report.convert_ops}};
                  for (const auto& [type, number] : report.ops_of_type) counts["operators_" + type] = number;
                  if (report.convert_ops > 0) {
                    request.reporter.info(format("dlc: {} operators between bit widths and float inserted ({} Convert, {} Quantize, {} Dequantize)",
                                                 report.convert_ops, report.ops_of_type["Convert"], report.ops_of_type["Quantize"], report.ops_of_type["Dequantize"]));
                  }
                  return {{request.model_name + ".dlc", std::move(content), std::move(counts)}};
                }});
}

}  // namespace qtool::exporters
