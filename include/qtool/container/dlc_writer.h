// Writes a DLC of container version 4.0 with inline parameters ("NETP"): the one variant that both SNPE 2 / QAIRT
// and Netron read in full (DLC container notes, sections 1 and 11.1).
#pragma once

#include <cstdint>

#include "qtool/container/dlc_model.h"
#include "qtool/support/files.h"

namespace qtool::container {

struct DlcWriteLimits {
  // A FlatBuffer addresses 2 GiB - 1; the reserve covers tables and padding that are not counted exactly.
  uint64_t record_bytes = (uint64_t{1} << 31) - (uint64_t{64} << 20);
};

// The same content gives the same bytes: no clock, no paths, no iteration over unordered containers. major, minor,
// records, parameter_format and notes of `file` are not looked at.
//
// verify_dlc() runs first, and the finished bytes are read back and compared. Throws Error(kInvalidModel) for what
// verify_dlc() refuses and Error(kUnsupported) for parameters beyond `limits`.
[[nodiscard]] Bytes write_dlc(const DlcFile& file, const DlcWriteLimits& limits = {});

}  // namespace qtool::container
