// `--emit encodings`: AIMET-style JSON of the chosen version.
#include "qtool/exporters/encodings_json.h"
#include "qtool/exporters/registry.h"

namespace qtool::exporters {

void register_encodings(Registry& registry) {
  registry.add({.name = "encodings",
                .summary = "<model>.encodings.json, AIMET version 0.6.1 or as --encodings-version says",
                .write = [](const ExportRequest& request) -> std::vector<OutputFile> {
                  const model::TargetProfile& profile = request.profile;
                  const WrittenEncodings written = write_encodings(
                      request.state, {.activation_bits = profile.activation_bits, .weight_bits = profile.weight_bits,
                                      .symmetric_weights = profile.weight_symmetric, .per_channel = profile.per_channel},
                      format_of_name(request.encodings_version));
                  for (const std::string& loss : written.losses) request.reporter.info("encodings: " + loss);
                  const auto bytes = std::as_bytes(std::span(written.text));
                  return {{request.model_name + ".encodings.json", Bytes(bytes.begin(), bytes.end())}};
                }});
}

}  // namespace qtool::exporters
