// AIMET-style encodings JSON, version 0.6.1: written strictly, read leniently (encodings.md 3.1, 6.5).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/ops/registry.h"

namespace qtool::exporters {

struct EncodingsFileInfo {
  int activation_bits = 8;
  int weight_bits = 8;
  bool symmetric_weights = false;
  bool per_channel = false;
};

// int32 biases are left out, as AIMET does: their scale is input scale x weight scale, which every reader derives.
[[nodiscard]] std::string write_encodings_061(const model::ModelState& state, const EncodingsFileInfo& info);

struct AppliedEncodings {
  size_t in_file = 0;
  size_t applied = 0;
  size_t derived_biases = 0;
  std::vector<std::string> warnings;
};

// Puts a file's encodings into state.encodings. Both offset signs, both spellings of booleans and missing min/max or
// scale/offset are accepted. Throws Error(kInvalidData) naming file and tensor on unknown names (with the closest known
// one), wrong channel counts and contradictions, and when not a single entry applies.
AppliedEncodings apply_encodings(model::ModelState& state, const ops::Registry& registry, std::string_view text,
                                 const std::string& file_name);

}  // namespace qtool::exporters
