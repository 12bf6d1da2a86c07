// What the version-specific readers get: the unpacked entries of one DLC.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "qtool/container/dlc_model.h"
#include "qtool/support/files.h"

namespace qtool::container {

struct DlcRecords {
  Bytes model;   // with its prefix
  Bytes params;  // with its prefix; empty when the entry is absent
  std::optional<Bytes> payload;
};

// The FlatBuffer behind the 8-byte prefix.
[[nodiscard]] std::span<const std::byte> without_prefix(const Bytes& record, const std::string& name);

// Fill graphs, parameter_format and notes of `file`.
void read_v4(const DlcRecords& records, DlcFile& file);
void read_v3(const DlcRecords& records, DlcFile& file);

}  // namespace qtool::container
