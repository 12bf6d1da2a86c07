#include <zlib.h>

#include <limits>

#include "little_endian.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "zip_archive.h"
#include "zip_format.h"

namespace qtool::container {
namespace {

constexpr uint64_t kMax32 = std::numeric_limits<uint32_t>::max();

// The fields that a local and a central header share, from "version needed" to the length of the extra field.
void append_common_fields(Bytes& out, const ZipEntry& entry, uint32_t crc) {
  append_little_endian<uint16_t>(out, kZipVersion);
  append_little_endian<uint16_t>(out, 0);  // flags
  append_little_endian<uint16_t>(out, kZipStored);
  append_little_endian<uint16_t>(out, 0);  // time of day
  append_little_endian<uint16_t>(out, kZipEpochDate);
  append_little_endian<uint32_t>(out, crc);
  append_little_endian<uint32_t>(out, static_cast<uint32_t>(entry.content.size()));
  append_little_endian<uint32_t>(out, static_cast<uint32_t>(entry.content.size()));
  append_little_endian<uint16_t>(out, static_cast<uint16_t>(entry.name.size()));
  append_little_endian<uint16_t>(out, 0);  // extra field
}

void append_name(Bytes& out, const std::string& name) {
  const auto raw = std::as_bytes(std::span(name));
  out.insert(out.end(), raw.begin(), raw.end());
}

uint64_t archive_size(const std::vector<ZipEntry>& entries) {
  uint64_t size = kZipEndSize;
  for (const ZipEntry& entry : entries) {
    size += kZipLocalSize + kZipCentralSize + 2 * entry.name.size() + entry.content.size();
  }
  return size;
}

void append_central(Bytes& out, const ZipEntry& entry, uint32_t crc, uint32_t header_at) {
  append_little_endian<uint32_t>(out, kZipCentralSignature);
  append_little_endian<uint16_t>(out, kZipVersion);  // made by, on the system of number 0
  append_common_fields(out, entry, crc);
  append_little_endian<uint16_t>(out, 0);  // comment
  append_little_endian<uint16_t>(out, 0);  // disk
  append_little_endian<uint16_t>(out, 0);  // internal attributes
  append_little_endian<uint32_t>(out, 0);  // external attributes
  append_little_endian<uint32_t>(out, header_at);
  append_name(out, entry.name);
}

}  // namespace

Bytes write_zip(const std::vector<ZipEntry>& entries) {
  const uint64_t total = archive_size(entries);
  if (total > kMax32) throw Error(ErrorCode::kUnsupported, format("the archive would take {} bytes; the limit is 4 GiB", total));
  Bytes out;
  out.reserve(total);
  Bytes directory;
  for (const ZipEntry& entry : entries) {
    const auto crc = static_cast<uint32_t>(
        ::crc32_z(0, reinterpret_cast<const Bytef*>(entry.content.data()), entry.content.size()));
    append_central(directory, entry, crc, static_cast<uint32_t>(out.size()));
    append_little_endian<uint32_t>(out, kZipLocalSignature);
    append_common_fields(out, entry, crc);
    append_name(out, entry.name);
    out.insert(out.end(), entry.content.begin(), entry.content.end());
  }
  const auto directory_at = static_cast<uint32_t>(out.size());
  out.insert(out.end(), directory.begin(), directory.end());
  append_little_endian<uint32_t>(out, kZipEndSignature);
  append_little_endian<uint32_t>(out, 0);  // this disk, disk of the directory
  append_little_endian<uint16_t>(out, static_cast<uint16_t>(entries.size()));
  append_little_endian<uint16_t>(out, static_cast<uint16_t>(entries.size()));
  append_little_endian<uint32_t>(out, static_cast<uint32_t>(directory.size()));
  append_little_endian<uint32_t>(out, directory_at);
  append_little_endian<uint16_t>(out, 0);  // comment
  return out;
}

}  // namespace qtool::container
