// Reads DLC files of container version 4.0 (inline NETP, 64-bit NR64) and 4.1 (model.params.bin) completely, and
// version 3 (SNPE 1.4x to 1.68) for inspection. Version 2 predates the documented layout and is refused.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "qtool/container/dlc_model.h"

namespace qtool::container {

// Safe on any input: every offset is checked, and work and memory stay proportional to the input size. Static
// tensors of version 4 come back with exactly dims x type bytes.
//
// Version 3 has no tensor list: tensors are put together from the layers (see src/container/dlc_read_v3.cpp), and
// their dtype is kUFixed8 where an encoding of 8 bits or less is present, kFloat32 otherwise.
//
// Throws Error(kInvalidModel) for content that contradicts the format, Error(kInvalidData) for a damaged archive,
// Error(kUnsupported) for other container versions, Error(kIo) when the file cannot be read. `file_name` (used in
// messages only) is in the context of each.
[[nodiscard]] DlcFile read_dlc(const std::filesystem::path& path);
[[nodiscard]] DlcFile read_dlc(std::span<const std::byte> bytes, const std::string& file_name);

}  // namespace qtool::container
