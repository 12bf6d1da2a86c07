#include "qtool/support/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool {
namespace fs = std::filesystem;

namespace {

template <class Container>
Container read_whole(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) {
    throw Error(ErrorCode::kIo, "expected a file, found a folder").with("file", path.string());
  }
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) {
    throw Error(ErrorCode::kIo, format("cannot open file: {}", std::strerror(errno)))
        .with("file", path.string());
  }
  Container content(static_cast<size_t>(stream.tellg()), typename Container::value_type{});
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
  if (!stream) throw Error(ErrorCode::kIo, "cannot read file").with("file", path.string());
  return content;
}

void write_and_sync(const fs::path& path, std::span<const std::byte> content) {
  const auto fail = [&](const char* what) {
    throw Error(ErrorCode::kIo, format("cannot {}: {}", what, std::strerror(errno)))
        .with("file", path.string());
  };
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail("create file");
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0) {
      const int saved = errno;
      ::close(fd);
      errno = saved;
      fail("write file");
    }
    done += static_cast<size_t>(n);
  }
  ::close(fd);
}

}  // namespace

Bytes read_file(const fs::path& path) { return read_whole<Bytes>(path); }
std::string read_text_file(const fs::path& path) { return read_whole<std::string>(path); }

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  QTOOL_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (const unsigned char byte : digest) hex += format("{:02x}", byte);
  return hex;
}

OutputSet::OutputSet(fs::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) folder_ = ".";
  std::error_code ec;
  if (fs::exists(folder_, ec) && !fs::is_directory(folder_, ec)) {
    throw Error(ErrorCode::kIo, "the output folder is a file; choose another -o").with("file", folder_.string());
  }
  std::vector<fs::path> missing;
  for (fs::path at = folder_; !at.empty() && !fs::exists(at, ec); at = at.parent_path()) {
    missing.push_back(at);
    if (at == at.parent_path()) break;
  }
  fs::create_directories(folder_, ec);
  if (ec) {
    throw Error(ErrorCode::kIo, format("cannot create output folder: {}", ec.message()))
        .with("file", folder_.string());
  }
  created_folders_ = std::move(missing);
}

OutputSet::~OutputSet() {
  std::error_code ec;
  for (const Pending& file : pending_) fs::remove(file.temporary, ec);
  for (const fs::path& folder : created_folders_) fs::remove(folder, ec);  // only succeeds when empty
}

void OutputSet::add(const std::string& name, std::span<const std::byte> content) {
  const fs::path target = folder_ / name;
  const fs::path temporary = folder_ / format(".{}.partial-{}", name, ::getpid());
  pending_.push_back({temporary, target});
  write_and_sync(temporary, content);
}

void OutputSet::add(const std::string& name, std::string_view content) {
  add(name, std::as_bytes(std::span(content.data(), content.size())));
}

void OutputSet::commit() {
  std::error_code ec;
  for (const Pending& file : pending_) {
    if (fs::is_directory(file.target, ec)) {
      throw Error(ErrorCode::kIo, "cannot replace a folder by an output file").with("file", file.target.string());
    }
  }
  for (const Pending& file : pending_) {
    fs::rename(file.temporary, file.target, ec);
    if (ec) {
      throw Error(ErrorCode::kIo, format("cannot rename output: {}", ec.message()))
          .with("file", file.target.string());
    }
  }
  pending_.clear();
  created_folders_.clear();
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> content) {
  OutputSet set(path.parent_path());
  set.add(path.filename().string(), content);
  set.commit();
}

}  // namespace qtool
