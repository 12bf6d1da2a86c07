#include <zlib.h>

#include <algorithm>
#include <optional>

#include "little_endian.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "zip_archive.h"
#include "zip_format.h"

namespace qtool::container {
namespace {

constexpr uint64_t kAbsent32 = 0xffffffff;  // "look in the ZIP64 extra"
// Deflate cannot shrink further than this, so a larger claim is false and must not be allocated.
constexpr uint64_t kDeflateMaxRatio = 1032;
// Genuine files have 3 to 8; the bound keeps the check for repeated names cheap.
constexpr uint64_t kMaxEntries = 4096;

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::kInvalidData, what); }

std::span<const std::byte> part(std::span<const std::byte> bytes, uint64_t at, uint64_t size, std::string_view what) {
  if (at > bytes.size() || size > bytes.size() - at) {
    fail(format("damaged archive: {} needs {} bytes at {}, the file has {}", what, size, at, bytes.size()));
  }
  return bytes.subspan(at, size);
}

struct Directory {
  uint64_t at = 0;
  uint64_t size = 0;
  uint64_t count = 0;
};

// The end record is the last thing in the file except for a comment of at most 64 KiB.
size_t find_end_record(std::span<const std::byte> bytes) {
  if (bytes.size() < kZipEndSize) fail(format("not a DLC: {} bytes are too short for an archive", bytes.size()));
  const size_t last = bytes.size() - kZipEndSize;
  const size_t first = last > 0xffff ? last - 0xffff : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (load_little_endian<uint32_t>(bytes, at) != kZipEndSignature) continue;
    if (load_little_endian<uint16_t>(bytes, at + 20) == last - at) return at;
  }
  fail("not a DLC: no end record of a ZIP archive found (truncated file, or another format)");
}

std::optional<Directory> find_zip64_directory(std::span<const std::byte> bytes, size_t end_at) {
  if (end_at < kZip64LocatorSize) return std::nullopt;
  const size_t locator_at = end_at - kZip64LocatorSize;
  if (load_little_endian<uint32_t>(bytes, locator_at) != kZip64LocatorSignature) return std::nullopt;
  const auto record =
      part(bytes, load_little_endian<uint64_t>(bytes, locator_at + 8), kZip64EndSize, "the ZIP64 end record");
  if (load_little_endian<uint32_t>(record, 0) != kZip64EndSignature) fail("damaged archive: no ZIP64 end record where it is announced");
  return Directory{.at = load_little_endian<uint64_t>(record, 48),
                   .size = load_little_endian<uint64_t>(record, 40),
                   .count = load_little_endian<uint64_t>(record, 32)};
}

Directory find_directory(std::span<const std::byte> bytes) {
  const size_t end_at = find_end_record(bytes);
  if (const auto wide = find_zip64_directory(bytes, end_at)) return *wide;
  return {.at = load_little_endian<uint32_t>(bytes, end_at + 16),
          .size = load_little_endian<uint32_t>(bytes, end_at + 12),
          .count = load_little_endian<uint16_t>(bytes, end_at + 10)};
}

// Replaces the 32-bit fields that say "absent". Genuine writers add the extra field also when none does.
void apply_zip64_extra(std::span<const std::byte> extra, ZipArchive::Entry& entry) {
  while (extra.size() >= 4) {
    const auto id = load_little_endian<uint16_t>(extra, 0);
    const size_t size = std::min<size_t>(load_little_endian<uint16_t>(extra, 2), extra.size() - 4);
    auto body = extra.subspan(4, size);
    if (id == kZip64ExtraId) {
      for (uint64_t* field : {&entry.size_bytes, &entry.stored_size, &entry.header_at}) {
        if (*field != kAbsent32) continue;
        if (body.size() < 8) fail(format("damaged archive: the ZIP64 extra of entry '{}' is too short", entry.name));
        *field = load_little_endian<uint64_t>(body, 0);
        body = body.subspan(8);
      }
      return;
    }
    extra = extra.subspan(4 + size);
  }
}

// Reads the central header at the front of `rest` and drops it from there.
ZipArchive::Entry take_central_header(std::span<const std::byte>& rest) {
  const auto header = part(rest, 0, kZipCentralSize, "a directory entry");
  if (load_little_endian<uint32_t>(header, 0) != kZipCentralSignature) fail("damaged archive: a directory entry lacks its signature");
  const size_t name_size = load_little_endian<uint16_t>(header, 28);
  const size_t extra_size = load_little_endian<uint16_t>(header, 30);
  const size_t comment_size = load_little_endian<uint16_t>(header, 32);
  const auto name = part(rest, kZipCentralSize, name_size, "an entry name");
  const auto extra = part(rest, kZipCentralSize + name_size, extra_size, "an extra field");
  ZipArchive::Entry entry;
  entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  entry.flags = load_little_endian<uint16_t>(header, 8);
  entry.method = load_little_endian<uint16_t>(header, 10);
  entry.crc = load_little_endian<uint32_t>(header, 16);
  entry.stored_size = load_little_endian<uint32_t>(header, 20);
  entry.size_bytes = load_little_endian<uint32_t>(header, 24);
  entry.header_at = load_little_endian<uint32_t>(header, 42);
  apply_zip64_extra(extra, entry);
  const size_t size = kZipCentralSize + name_size + extra_size + comment_size;
  rest = rest.subspan(part(rest, 0, size, "a directory entry").size());
  return entry;
}

Bytes inflate_entry(std::span<const std::byte> stored, const ZipArchive::Entry& entry) {
  if (entry.size_bytes / kDeflateMaxRatio > stored.size() + 1) {
    fail(format("damaged archive: entry '{}' claims {} bytes out of {}", entry.name, entry.size_bytes, stored.size()));
  }
  if (entry.size_bytes > kAbsent32 || stored.size() > kAbsent32) {
    throw Error(ErrorCode::kUnsupported, format("entry '{}' is compressed and larger than 4 GiB", entry.name));
  }
  Bytes content(entry.size_bytes);
  z_stream stream{};
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error(ErrorCode::kInternal, "cannot set up the decompressor");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(stored.data()));
  stream.avail_in = static_cast<uInt>(stored.size());
  Bytef nothing = 0;
  stream.next_out = content.empty() ? &nothing : reinterpret_cast<Bytef*>(content.data());
  stream.avail_out = static_cast<uInt>(content.size());
  const int status = ::inflate(&stream, Z_FINISH);
  const bool complete = status == Z_STREAM_END && stream.avail_out == 0;
  ::inflateEnd(&stream);
  if (!complete) fail(format("damaged archive: entry '{}' does not inflate to {} bytes", entry.name, entry.size_bytes));
  return content;
}

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> bytes) : bytes_(bytes) {
  const Directory directory = find_directory(bytes);
  if (directory.count > kMaxEntries) fail(format("not a DLC: the archive has {} entries", directory.count));
  auto rest = part(bytes, directory.at, directory.size, "the directory");
  for (uint64_t i = 0; i < directory.count; ++i) {
    Entry entry = take_central_header(rest);
    if (find(entry.name) != nullptr) fail(format("damaged archive: two entries are called '{}'", entry.name));
    entries_.push_back(std::move(entry));
  }
}

const ZipArchive::Entry* ZipArchive::find(std::string_view name) const {
  const auto at = std::ranges::find(entries_, name, &Entry::name);
  return at == entries_.end() ? nullptr : &*at;
}

std::span<const std::byte> ZipArchive::stored_bytes(const Entry& entry) const {
  const auto header = part(bytes_, entry.header_at, kZipLocalSize, format("the header of entry '{}'", entry.name));
  if (load_little_endian<uint32_t>(header, 0) != kZipLocalSignature) {
    fail(format("damaged archive: no header of entry '{}' where the directory points", entry.name));
  }
  const uint64_t skip = uint64_t{kZipLocalSize} + load_little_endian<uint16_t>(header, 26) + load_little_endian<uint16_t>(header, 28);
  return part(bytes_.subspan(entry.header_at), skip, entry.stored_size, format("entry '{}'", entry.name));
}

Bytes ZipArchive::read(const Entry& entry) const {
  if ((entry.flags & kZipEncryptedFlag) != 0) throw Error(ErrorCode::kUnsupported, format("entry '{}' is encrypted", entry.name));
  const auto stored = stored_bytes(entry);
  Bytes content;
  if (entry.method == kZipStored) {
    if (entry.stored_size != entry.size_bytes) fail(format("damaged archive: entry '{}' has two different sizes", entry.name));
    content.assign(stored.begin(), stored.end());
  } else if (entry.method == kZipDeflated) {
    content = inflate_entry(stored, entry);
  } else {
    throw Error(ErrorCode::kUnsupported, format("entry '{}' uses compression method {}; stored and deflate are known", entry.name, entry.method));
  }
  const auto crc = static_cast<uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  if (entry.crc != 0 && entry.crc != crc) {
    fail(format("damaged archive: entry '{}' has CRC-32 {:08x}, its header says {:08x}", entry.name, crc, entry.crc));
  }
  return content;
}

}  // namespace qtool::container
