// An encodings file of any kind as one neutral document: read leniently, written strictly.
//
// One file under src/exporters/encodings reads and writes each kind; docs/encodings.md tells them apart. The document
// needs no model. What a kind does not state (the channel axis of version 1.0.0, which tensors of version 2 are
// parameters) is unknown until settle_document() has seen the graph.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/model/model_state.h"
#include "qtool/ops/registry.h"
#include "qtool/quant/encoding.h"

namespace qtool::exporters {

enum class EncodingsFormat : uint8_t {
  kAimet061,   // "0.6.1"
  kAimet100,   // "1.0.0"
  kAimet200,   // "2.0.0"
  kAimet210,   // "2.1.0"
  kOverrides,  // Qualcomm's --quantization_overrides
};
inline constexpr std::array kEncodingsFormats = {EncodingsFormat::kAimet061, EncodingsFormat::kAimet100, EncodingsFormat::kAimet200,
                                                 EncodingsFormat::kAimet210, EncodingsFormat::kOverrides};

// "0.6.1", "1.0.0", "2.0.0", "2.1.0", "overrides".
[[nodiscard]] std::string_view format_name(EncodingsFormat format);
// Throws Error(kUsage) with the nearest known name. Accepts "qnn" and "qairt" for the overrides.
[[nodiscard]] EncodingsFormat format_of_name(std::string_view name);

enum class EncodingsSection : uint8_t { kActivation, kParameter, kUnknown };

struct DocumentEntry {
  enum class Kind : uint8_t {
    kGrid,       // `encoding` holds the grids
    kFloat,      // the tensor stays float, of `bits`
    kPrecision,  // integers of `bits`; the range is left to calibration
  };
  std::string name;
  EncodingsSection section = EncodingsSection::kUnknown;
  Kind kind = Kind::kGrid;
  int bits = 8;
  quant::Encoding encoding;
  bool axis_known = false;  // false: channel_axis is a guess (0) when there are several grids
  size_t rank = 0;          // of the tensor; 0: unknown
  size_t channels = 0;      // per-block grids only; 0: unknown
};

// AIMET's quantizer_args, written for people only.
struct EncodingsFileInfo {
  int activation_bits = 8;
  int weight_bits = 8;
  bool symmetric_weights = false;
  bool per_channel = false;
};

struct EncodingsDocument {
  EncodingsFormat format = EncodingsFormat::kAimet061;
  std::vector<DocumentEntry> entries;  // activations first, each in the order of the file
  EncodingsFileInfo info;
  std::vector<std::string> warnings;   // what reading had to interpret
};

// The kind is found by `version` and shape. Accepted beyond the letter of the kinds: both signs of offsets and zero
// points, both spellings of booleans, missing min/max, missing scale/offset, scalars for lists of one, offsets as floats.
// Throws Error(kInvalidData) naming file and tensor.
[[nodiscard]] EncodingsDocument parse_encodings(std::string_view text, const std::string& file_name);

// Completes axes, ranks, sections and channel counts from the graph, by name; entries that it does not know are left.
// Throws Error(kInvalidData) when the number of scales does not fit the tensor.
void settle_document(EncodingsDocument& document, const ir::Graph& graph, const ops::Registry& registry, const std::string& file_name);

struct WrittenEncodings {
  std::string text;
  std::vector<std::string> losses;  // what the kind cannot hold, one line each
};

// The text is read again and compared before it is returned. Throws Error(kInvalidData) naming the tensor for entries
// that the kind has no form for (blocks in 0.6.1), Error(kInternal) when the round trip changes a grid.
[[nodiscard]] WrittenEncodings render_encodings(const EncodingsDocument& document, EncodingsFormat format);

// The encodings of a model as a document; tensors left float on request have float entries.
[[nodiscard]] EncodingsDocument document_of(const model::ModelState& state, const EncodingsFileInfo& info);

}  // namespace qtool::exporters
