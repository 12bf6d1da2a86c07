#include "qtool/data/npz.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <memory>

#include "qtool/data/npy.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

constexpr std::string_view kSuffix = ".npy";
// An entry that inflates beyond this is a bomb or an accident.
constexpr size_t kMostEntryBytes = size_t{1} << 32;

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;
using Archive = std::unique_ptr<zip_t, DiscardArchive>;
using Source = std::unique_ptr<zip_source_t, FreeSource>;

class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  ~ZipError() { zip_error_fini(&error_); }
  [[nodiscard]] zip_error_t* get() { return &error_; }
  [[nodiscard]] const char* text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kInvalidData, format("damaged .npz: {}", what));
}

// The whole entry. Read in pieces, because the size in the archive's directory may be a lie.
Bytes read_entry(zip_t* archive, zip_uint64_t index) {
  const Entry entry(zip_fopen_index(archive, index, 0));
  if (!entry) damaged(zip_strerror(archive));
  Bytes content;
  std::array<std::byte, 1 << 16> piece;
  while (true) {
    const zip_int64_t count = zip_fread(entry.get(), piece.data(), piece.size());
    if (count < 0) damaged(zip_error_strerror(zip_file_get_error(entry.get())));
    if (count == 0) return content;
    content.insert(content.end(), piece.begin(), piece.begin() + count);
    if (content.size() > kMostEntryBytes)
      damaged(format("it inflates to more than {} bytes", kMostEntryBytes));
  }
}

Archive open_archive(std::span<const std::byte> bytes) {
  if (bytes.empty())
    damaged("the file is empty");  // libzip takes it for an archive without entries
  ZipError error;
  Source source(zip_source_buffer_create(bytes.data(), bytes.size(), 0, error.get()));
  if (!source) damaged(error.text());
  Archive archive(zip_open_from_source(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, error.get()));
  if (!archive) damaged(error.text());
  (void)source.release();  // owned by the archive now
  return archive;
}

NamedTensors parse(std::span<const std::byte> bytes, const std::string& file) {
  const Archive archive = open_archive(bytes);
  NamedTensors tensors;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* name = zip_get_name(archive.get(), index, 0);
    std::string key = name == nullptr ? "" : name;
    try {
      Tensor tensor = parse_npy(read_entry(archive.get(), index), file);
      if (key.ends_with(kSuffix)) key.resize(key.size() - kSuffix.size());
      tensors.emplace_back(std::move(key), std::move(tensor));
    } catch (Error& error) {
      error.with("entry", key);
      throw;
    }
  }
  return tensors;
}

// libzip's source and archive have separate owners; the archive takes over `source` only on
// success.
void add_entry(zip_t* archive, const std::string& key, std::span<const std::byte> content) {
  const std::string name = key + std::string(kSuffix);
  Source source(zip_source_buffer(archive, content.data(), content.size(), 0));
  const zip_int64_t index =
      source ? zip_file_add(archive, name.c_str(), source.get(), ZIP_FL_ENC_UTF_8) : -1;
  if (index < 0) {
    throw Error(ErrorCode::kInternal,
                format("cannot add '{}' to a .npz: {}", key, zip_strerror(archive)));
  }
  (void)source.release();
  constexpr zip_uint16_t kMidnight = 0, kFirstOfJanuary1980 = 1 << 5 | 1;
  const auto at = static_cast<zip_uint64_t>(index);
  zip_set_file_compression(archive, at, ZIP_CM_STORE, 0);
  zip_file_set_dostime(archive, at, kMidnight, kFirstOfJanuary1980, 0);
}

Bytes whole_source(zip_source_t* source) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  QTOOL_CHECK(zip_source_stat(source, &stat) == 0 && zip_source_open(source) == 0);
  Bytes bytes(stat.size);
  const zip_int64_t count = zip_source_read(source, bytes.data(), bytes.size());
  zip_source_close(source);
  QTOOL_CHECK(count == static_cast<zip_int64_t>(bytes.size()));
  return bytes;
}

}  // namespace

NamedTensors parse_npz(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return parse(bytes, name);
  } catch (Error& error) {
    error.with("file", name);
    throw;
  }
}

NamedTensors read_npz(const std::filesystem::path& path) {
  return parse_npz(read_file(path), path.string());
}

Bytes to_npz(const NamedTensors& tensors) {
  if (tensors.empty()) {  // libzip writes no archive without entries; this is the empty end record
    Bytes bytes(22);
    std::copy_n(std::as_bytes(std::span("PK\5\6")).begin(), 4, bytes.begin());
    return bytes;
  }
  std::vector<Bytes> contents;  // libzip reads them when the archive is closed
  contents.reserve(tensors.size());
  ZipError error;
  const Source target(zip_source_buffer_create(nullptr, 0, 0, error.get()));
  QTOOL_CHECK(target != nullptr);
  zip_source_keep(target.get());  // one reference for the archive, one to read the result
  Archive archive(zip_open_from_source(target.get(), ZIP_CREATE | ZIP_TRUNCATE, error.get()));
  QTOOL_CHECK(archive != nullptr);
  for (const auto& [key, tensor] : tensors)
    add_entry(archive.get(), key, contents.emplace_back(to_npy(tensor)));
  QTOOL_CHECK(zip_close(archive.get()) == 0);
  (void)archive.release();
  return whole_source(target.get());
}

void write_npz(const std::filesystem::path& path, const NamedTensors& tensors) {
  write_file_atomically(path, to_npz(tensors));
}

}  // namespace qtool::data
