// `--emit encodings`: AIMET-style JSON, version 0.6.1.
#include "qtool/exporters/encodings_json.h"
#include "qtool/exporters/registry.h"

namespace qtool::exporters {

void register_encodings(Registry& registry) {
  registry.add({.name = "encodings",
                .summary = "<model>.encodings.json, AIMET version 0.6.1",
                .write = [](const ExportRequest& request) -> std::vector<OutputFile> {
                  const model::TargetProfile& profile = request.profile;
                  const std::string text = write_encodings_061(
                      request.state, {.activation_bits = profile.activation_bits, .weight_bits = profile.weight_bits,
                                      .symmetric_weights = profile.weight_symmetric, .per_channel = profile.per_channel});
                  const auto bytes = std::as_bytes(std::span(text));
                  return {{request.model_name + ".encodings.json", Bytes(bytes.begin(), bytes.end())}};
                }});
}

}  // namespace qtool::exporters
