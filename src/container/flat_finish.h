// Steps shared by the two records: a list of tables, and prefix + finished buffer.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <vector>

#include "dlc_schema.h"
#include "little_endian.h"
#include "qtool/support/files.h"

namespace qtool::container {

using FlatTableRef = flatbuffers::Offset<flatbuffers::Table>;

[[nodiscard]] inline flatbuffers::voffset_t field(uint16_t slot_index) { return flatbuffers::FieldIndexToOffset(slot_index); }

[[nodiscard]] inline FlatTableRef end_table(flatbuffers::FlatBufferBuilder& builder, flatbuffers::uoffset_t start) {
  return FlatTableRef(builder.EndTable(start));
}

// The DLC prefix of version 4.0, then the buffer: its alignment counts from behind the prefix.
[[nodiscard]] inline Bytes finish_record(flatbuffers::FlatBufferBuilder& builder, FlatTableRef root, const char* identifier) {
  builder.Finish(root, identifier);
  Bytes record;
  record.reserve(kPrefixSize + builder.GetSize());
  append_little_endian<uint8_t>(record, kPrefixMagic0);
  append_little_endian<uint8_t>(record, kPrefixMagic1);
  append_little_endian<uint16_t>(record, 4);
  append_little_endian<uint16_t>(record, 0);
  append_little_endian<uint16_t>(record, 0);
  const auto* raw = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  record.insert(record.end(), raw, raw + builder.GetSize());
  return record;
}

}  // namespace qtool::container
