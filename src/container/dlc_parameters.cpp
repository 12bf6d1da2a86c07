#include "dlc_parameters.h"

#include "dlc_schema.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {

DlcParameters::DlcParameters(const DlcRecords& records, int minor) {
  if (records.params.empty()) {
    form_ = "none";
    return;
  }
  const auto body = without_prefix(records.params, kParamsRecord);
  const std::string identifier = FlatView(body, kParamsRecord).identifier();
  if (identifier == kWideIdentifier) {
    open_wide(body);
  } else if (identifier == kInlineIdentifier) {
    open_inline(body);
  } else {
    throw Error(ErrorCode::kInvalidModel, format("record '{}' is not a parameter record: identifier '{}' instead of NETP or NR64",
                                                 kParamsRecord, identifier));
  }
  if (minor >= 1 && form_ == kInlineIdentifier) {
    if (!records.payload) throw Error(ErrorCode::kInvalidModel, format("a DLC of version 4.1 needs the record '{}'", kPayloadRecord));
    form_ = "external";
    payload_ = &*records.payload;
  }
  collect();
}

void DlcParameters::open_inline(std::span<const std::byte> bytes) {
  form_ = kInlineIdentifier;
  view_ = std::make_unique<FlatView>(bytes, kParamsRecord);
}

void DlcParameters::open_wide(std::span<const std::byte> bytes) {
  form_ = kWideIdentifier;
  wide_ = std::make_unique<FlatView>(bytes, kParamsRecord);
  const FlatTable root = wide_->root();
  for (const FlatTable& buffer : root.tables(slot::Wide::kBuffers)) buffers_.push_back(buffer.wide_bytes(slot::WideBuffer::kBytes));
  view_ = std::make_unique<FlatView>(root.bytes(slot::Wide::kParams), format("{} (inner)", kParamsRecord));
}

void DlcParameters::collect() {
  for (const FlatTable& graph : view_->root().tables(slot::Params::kGraphs)) {
    GraphParameters parameters;
    parameters.statics = tensors_of(graph.tables(slot::GraphParams::kTensors));
    for (const FlatTable& node : graph.tables(slot::GraphParams::kNodes)) {
      parameters.ops.push_back(tensors_of(node.tables(slot::NodeParams::kTensors)));
    }
    const std::string name = graph.text(slot::GraphParams::kName);
    if (!graphs_.emplace(name, std::move(parameters)).second) view_->fail(format("two parameter sets are called '{}'", name));
  }
}

TensorBytes DlcParameters::tensors_of(const std::vector<FlatTable>& tables) const {
  TensorBytes result;
  for (const FlatTable& table : tables) {
    result.insert_or_assign(table.text(slot::TensorData::kName), bytes_of(table));
  }
  return result;
}

std::span<const std::byte> DlcParameters::bytes_of(const FlatTable& tensor_data) const {
  if (payload_ != nullptr) return payload_of(tensor_data);
  if (form_ == kInlineIdentifier) return tensor_data.bytes(slot::TensorData::kBytes);
  const auto index = tensor_data.scalar<int64_t>(slot::TensorData::kBuffer, 0);
  if (index < 0 || static_cast<uint64_t>(index) >= buffers_.size()) {
    view_->fail(format("tensor '{}' refers to buffer {} of {}", tensor_data.text(slot::TensorData::kName), index, buffers_.size()));
  }
  return buffers_[static_cast<size_t>(index)];
}

std::span<const std::byte> DlcParameters::payload_of(const FlatTable& tensor_data) const {
  const auto position = tensor_data.table(slot::TensorData::kPosition);
  const auto offset = position ? position->scalar<int64_t>(slot::Position::kOffset, 0) : 0;
  const auto size = position ? position->scalar<int64_t>(slot::Position::kSize, 0) : 0;
  const auto total = static_cast<int64_t>(payload_->size());
  if (offset < 0 || size < 0 || offset > total || size > total - offset) {
    view_->fail(format("tensor '{}' lies at {} with {} bytes; record '{}' has {}", tensor_data.text(slot::TensorData::kName),
                       offset, size, kPayloadRecord, total));
  }
  return std::span(*payload_).subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
}

const GraphParameters* DlcParameters::find(const std::string& graph_name) const {
  const auto at = graphs_.find(graph_name);
  return at == graphs_.end() ? nullptr : &at->second;
}

}  // namespace qtool::container
