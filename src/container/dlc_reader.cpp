#include "qtool/container/dlc_reader.h"

#include "dlc_records.h"
#include "dlc_schema.h"
#include "little_endian.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "zip_archive.h"

namespace qtool::container {
namespace {

struct Version {
  int major;
  int minor;
};

Version read_prefix(const Bytes& record, const std::string& name) {
  if (record.size() < kPrefixSize || std::to_integer<uint8_t>(record[0]) != kPrefixMagic0 ||
      std::to_integer<uint8_t>(record[1]) != kPrefixMagic1) {
    throw Error(ErrorCode::kInvalidModel, format("not a DLC: record '{}' does not begin with the DLC prefix D5 0A", name));
  }
  return {load_little_endian<uint16_t>(record, 2), load_little_endian<uint16_t>(record, 4)};
}

// Lines of key=value up to the first line of another form, where other readers stop too.
std::vector<std::pair<std::string, std::string>> parse_metadata(const Bytes& content) {
  std::string_view rest(reinterpret_cast<const char*>(content.data()), content.size());
  std::vector<std::pair<std::string, std::string>> lines;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) break;
    lines.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return lines;
}

Bytes read_required(const ZipArchive& archive, const char* name) {
  const ZipArchive::Entry* entry = archive.find(name);
  if (entry == nullptr) throw Error(ErrorCode::kInvalidModel, format("not a DLC: the archive has no record '{}'", name));
  return archive.read(*entry);
}

DlcRecords read_records(const ZipArchive& archive) {
  DlcRecords records;
  records.model = read_required(archive, kModelRecord);
  if (const auto* params = archive.find(kParamsRecord)) records.params = archive.read(*params);
  if (const auto* payload = archive.find(kPayloadRecord)) records.payload = archive.read(*payload);
  return records;
}

void note_records(const ZipArchive& archive, DlcFile& file) {
  bool without_crc = false;
  for (const ZipArchive::Entry& entry : archive.entries()) {
    file.records.push_back({entry.name, entry.size_bytes});
    without_crc |= entry.crc == 0 && entry.size_bytes != 0;
  }
  if (without_crc) file.notes.emplace_back("CRC-32 fields are 0, so damage to the records cannot be detected");
}

void read_version(const DlcRecords& records, DlcFile& file) {
  const Version version = read_prefix(records.model, kModelRecord);
  file.major = version.major;
  file.minor = version.minor;
  if (version.major == 4) return read_v4(records, file);
  if (version.major == 3) return read_v3(records, file);
  const char* hint = version.major < 3 ? " (SNPE before 1.4x, undocumented); convert the original model again" : "";
  throw Error(ErrorCode::kUnsupported,
              format("DLC container version {}.{}{}; versions 3 and 4 can be read", version.major, version.minor, hint));
}

}  // namespace

std::span<const std::byte> without_prefix(const Bytes& record, const std::string& name) {
  (void)read_prefix(record, name);
  return std::span(record).subspan(kPrefixSize);
}

DlcFile read_dlc(std::span<const std::byte> bytes, const std::string& file_name) try {
  const ZipArchive archive(bytes);
  DlcFile file;
  note_records(archive, file);
  read_version(read_records(archive), file);
  if (const auto* metadata = archive.find(kMetadataRecord)) file.metadata = parse_metadata(archive.read(*metadata));
  return file;
} catch (Error& error) {
  error.with("file", file_name);
  throw;
}

DlcFile read_dlc(const std::filesystem::path& path) { return read_dlc(read_file(path), path.string()); }

}  // namespace qtool::container
