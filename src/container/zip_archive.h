// The archive layer of a DLC. Written by hand because two things are needed that archive libraries do not give
// together: bytes that depend on the content alone, and reading entries whose CRC-32 field was left 0 (QAIRT 2.38
// to 2.51 write it so).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/support/files.h"

namespace qtool::container {

struct ZipEntry {
  std::string name;
  Bytes content;
};

// Stored entries in the given order, right CRC-32, the archive epoch 1980-01-01 as time. Throws Error(kUnsupported)
// when the archive would pass 4 GiB, because no ZIP64 fields are written.
[[nodiscard]] Bytes write_zip(const std::vector<ZipEntry>& entries);

// Reads an archive out of memory that must outlive it. Sizes come from the central directory; ZIP64 extras are
// understood. Every failure is Error(kInvalidData), or Error(kUnsupported) for encryption and unknown methods.
class ZipArchive {
 public:
  explicit ZipArchive(std::span<const std::byte> bytes);

  struct Entry {
    std::string name;
    uint64_t stored_size = 0;
    uint64_t size_bytes = 0;
    uint64_t header_at = 0;  // of the local header
    uint32_t crc = 0;
    uint16_t method = 0;
    uint16_t flags = 0;
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] const Entry* find(std::string_view name) const;
  // Inflated when needed; checked against the CRC-32 unless that is 0.
  [[nodiscard]] Bytes read(const Entry& entry) const;

 private:
  [[nodiscard]] std::span<const std::byte> stored_bytes(const Entry& entry) const;

  std::span<const std::byte> bytes_;
  std::vector<Entry> entries_;
};

}  // namespace qtool::container
