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
                  return {{request.model_name + ".dlc", std::move(content)}};
                }});
}

}  // namespace qtool::exporters
