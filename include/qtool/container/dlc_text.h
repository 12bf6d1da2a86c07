// A DLC for people: totals as plain data, and a compact listing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "qtool/container/dlc_model.h"

namespace qtool::container {

struct DlcGraphSummary {
  std::string name;
  std::vector<std::string> inputs;   // one text a tensor, as tensor_text()
  std::vector<std::string> outputs;
  uint64_t op_count = 0;
  uint64_t tensor_count = 0;
  uint64_t static_count = 0;
  uint64_t static_bytes = 0;
  uint64_t quantized_tensor_count = 0;         // with a scale
  std::map<std::string, uint64_t> ops_by_type;
  std::map<std::string, uint64_t> statics_by_dtype;
  std::map<std::string, uint64_t> activations_by_dtype;
};

struct DlcSummary {
  std::string version;           // "4.0"
  std::string parameter_format;  // as in DlcFile
  std::vector<DlcRecord> records;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> notes;
  std::vector<DlcGraphSummary> graphs;
};

[[nodiscard]] DlcSummary summarize_dlc(const DlcFile& file);

// "image ufixed8 [1,32,32,3] input scale 0.0186584 offset -114 range [-2.12706, 2.63084]".
// Control characters of names are shown as \xNN, so that a file cannot steer a terminal.
[[nodiscard]] std::string tensor_text(const DlcTensor& tensor);
// "scale 0.25 offset -3 range [-0.75, 63]", "per channel (axis 3, 16): scale 0.01 to 0.2", "no encoding".
// The range is computed from scale, offset and the code width: some writers leave min and max zero.
[[nodiscard]] std::string encoding_text(const DlcEncoding& encoding, DlcDtype dtype);
[[nodiscard]] std::string attribute_text(const DlcAttribute& attribute);

struct DlcTextOptions {
  bool ops = true;
  bool tensors = true;
};
// Header, records and totals; then by option one paragraph an op and one line a tensor.
[[nodiscard]] std::string dlc_text(const DlcFile& file, const DlcTextOptions& options = {});

}  // namespace qtool::container
