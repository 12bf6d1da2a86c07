// Encodings files against a model: written from its encodings, and put into them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/exporters/encodings_document.h"
#include "qtool/model/model_state.h"
#include "qtool/ops/registry.h"

namespace qtool::exporters {

// int32 biases are left out of all kinds but version 2, as AIMET does: their scale is input scale x weight scale, which
// every reader derives. Losses are those of render_encodings().
[[nodiscard]] WrittenEncodings write_encodings(const model::ModelState& state, const EncodingsFileInfo& info, EncodingsFormat format);
[[nodiscard]] std::string write_encodings_061(const model::ModelState& state, const EncodingsFileInfo& info);

struct ResolveOptions {
  // Tensors of the original file that clean-up removed: known names that apply to nothing.
  std::set<std::string> removed_names;
  bool allow_unknown = false;   // names that the model never had become warnings
};

// What a document says of the tensors of a graph.
struct ResolvedEncodings {
  std::map<ir::ValueId, quant::Encoding> grids;
  std::map<ir::ValueId, int> precision;   // bits; the range is left to calibration
  std::map<ir::ValueId, int> floats;      // bits
  size_t in_file = 0;
  std::vector<std::string> unused;        // names of entries that apply to nothing
  std::vector<std::string> warnings;
  [[nodiscard]] size_t applied() const { return grids.size() + precision.size() + floats.size(); }
};

// Throws Error(kInvalidData) naming file and tensor on unknown names (with the closest known one and the number of
// entries that apply to nothing), grids that do not fit their tensors, and when not a single entry applies.
[[nodiscard]] ResolvedEncodings resolve_encodings(EncodingsDocument document, const ir::Graph& graph, const ops::Registry& registry,
                                                  const std::string& file_name, const ResolveOptions& options = {});

struct AppliedEncodings {
  size_t in_file = 0;
  size_t applied = 0;
  size_t derived_biases = 0;
  std::vector<std::string> warnings;
};

// Puts the grids of a file of any kind into state.encodings and derives the int32 biases that it leaves out. Throws as
// resolve_encodings() does.
AppliedEncodings apply_encodings(model::ModelState& state, const ops::Registry& registry, std::string_view text,
                                 const std::string& file_name, const ResolveOptions& options = {});

}  // namespace qtool::exporters
