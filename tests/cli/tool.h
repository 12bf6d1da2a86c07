// The real binary as a test sees it: arguments in, exit code and two streams out.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qtool::cli_test {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

struct Outcome {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out, err;
};

struct ToolLimits {
  size_t largest_file_bytes = 0;  // a write past it fails, as on a full disk; 0: no limit
};

[[nodiscard]] std::string read_text(const fs::path& path);
void write_text(const fs::path& path, const std::string& text);

// Name below the folder -> content of every file.
[[nodiscard]] std::map<std::string, std::string> files_below(const fs::path& folder);

// Names and contents agree; told without printing the contents.
[[nodiscard]] ::testing::AssertionResult same_files(const std::map<std::string, std::string>& a,
                                                    const std::map<std::string, std::string>& b);

// A folder of its own for each test, which is the working directory of the tool.
class ToolTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] Outcome run(const Arguments& arguments, const ToolLimits& limits = {}) const;
  // qtool quantize on a bundled model with its preprocessing; options are appended.
  [[nodiscard]] Outcome quantize(const std::string& model, const fs::path& output, const Arguments& options = {}) const;

  [[nodiscard]] static fs::path sample(const std::string& name);

  fs::path folder_;
};

}  // namespace qtool::cli_test
