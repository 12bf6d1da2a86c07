// NumPy's .npz format: a zip archive of .npy files, whose names without ".npy" are the keys.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "qtool/support/files.h"
#include "qtool/tensor/tensor.h"

namespace qtool::data {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// In the order of the archive; stored and deflated entries. Throws Error(kInvalidData) naming
// `name` and the entry.
[[nodiscard]] NamedTensors parse_npz(std::span<const std::byte> bytes, const std::string& name);
[[nodiscard]] NamedTensors read_npz(const std::filesystem::path& path);

// Stored, in the given order, every entry dated 1980-01-01: equal tensors give equal bytes. Throws
// Error(kInternal) when a key comes twice.
[[nodiscard]] Bytes to_npz(const NamedTensors& tensors);
void write_npz(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace qtool::data
