#include "qtool/container/dlc_writer.h"

#include <algorithm>
#include <variant>

#include "dlc_schema.h"
#include "dlc_write_records.h"
#include "qtool/container/dlc_reader.h"
#include "qtool/container/dlc_verify.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "zip_archive.h"

namespace qtool::container {
namespace {

template <class Fn>
void for_each_tensor(DlcFile& file, Fn&& fn) {
  for (DlcGraph& graph : file.graphs) {
    for (DlcTensor& tensor : graph.tensors) fn(tensor);
    for (DlcOp& op : graph.ops) {
      for (DlcAttribute& attribute : op.attributes) {
        if (auto* tensor = std::get_if<DlcTensor>(&attribute.value)) fn(*tensor);
      }
    }
  }
}

// Fills in what callers may leave open: ids and source types.
DlcFile completed(DlcFile file) {
  bool has_ids = false;
  for_each_tensor(file, [&](const DlcTensor& tensor) { has_ids |= tensor.id != 0; });
  uint32_t next_id = 1;
  for_each_tensor(file, [&](DlcTensor& tensor) {
    if (!has_ids) tensor.id = next_id++;
    if (tensor.source_dtype == DlcDtype::kUndefined) tensor.source_dtype = tensor.dtype;
  });
  return file;
}

// Line breaks would end the entry early and make the rest of the text look like entries of its own.
Bytes build_metadata(const DlcFile& file) {
  std::string text;
  for (const auto& [key, value] : file.metadata) {
    if (key.empty() || key.find_first_of("=\n") != std::string::npos || value.find('\n') != std::string::npos) {
      throw Error(ErrorCode::kInvalidModel, format("'{}' cannot be a metadata key with this value: '=' and line breaks separate entries", key));
    }
    text += format("{}={}\n", key, value);
  }
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

// The runtimes check so little that a slip of ours would surface as wrong results on a device.
void check_reopened(const Bytes& bytes, const DlcFile& intended) {
  const DlcFile found = read_dlc(bytes, "the DLC just built");
  QTOOL_CHECK(found.major == 4 && found.minor == 0);
  QTOOL_CHECK(found.notes.empty());
  QTOOL_CHECK(found.metadata == intended.metadata);
  QTOOL_CHECK(found.graphs == intended.graphs);
}

}  // namespace

Bytes write_dlc(const DlcFile& file, const DlcWriteLimits& limits) {
  verify_dlc(file);
  const DlcFile complete = completed(file);
  std::vector<ZipEntry> entries;
  entries.push_back({kMetadataRecord, build_metadata(complete)});
  entries.push_back({kModelRecord, build_model_record(complete, limits)});
  entries.push_back({kParamsRecord, build_params_record(complete, limits)});
  Bytes bytes = write_zip(entries);
  check_reopened(bytes, complete);
  return bytes;
}

}  // namespace qtool::container
