// Whole-file reading and all-or-nothing writing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qtool {

using Bytes = std::vector<std::byte>;

// Throws Error(kIo) that names the file.
[[nodiscard]] Bytes read_file(const std::filesystem::path& path);
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

// Lower-case hex SHA-256.
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

// A set of output files in one folder that appears whole or not at all: every file is written beside its
// final name first, commit() renames them all, and the destructor removes what was not committed. Files that
// stood in the folder before keep their content until the rename.
class OutputSet {
 public:
  // Creates the folder when it does not exist (and removes it again if nothing is committed).
  explicit OutputSet(std::filesystem::path folder);
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;
  ~OutputSet();

  void add(const std::string& name, std::span<const std::byte> content);
  void add(const std::string& name, std::string_view content);
  // Throws Error(kIo); nothing is renamed unless every file could be written.
  void commit();
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Pending {
    std::filesystem::path temporary;
    std::filesystem::path target;
  };
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> created_folders_;
  std::vector<Pending> pending_;
};

// Writes one file through an OutputSet of its own.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> content);

}  // namespace qtool
