// The one exception type of qtool, and the check macro for our own bugs.
//
// A message says what was found, what was expected and what to try; the context pairs say where
// (file, node, op, tensor). Boundaries that know more add context and rethrow.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qtool {

enum class ErrorCode {
  kUsage,         // command line or configuration
  kInvalidModel,  // the model file contradicts itself or the standard
  kUnsupported,   // valid, but this tool cannot do it
  kInvalidData,   // images, tensors, labels, encodings
  kIo,            // file system
  kInternal,      // a bug of ours
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) { render(); }

  // Appends a (key, value) pair such as ("node", "conv1"); the first mention of a key wins.
  Error& with(std::string_view key, std::string_view value);

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& context() const { return context_; }
  // Message and context in one line: "text (file: a.onnx, node: conv1)".
  [[nodiscard]] const char* what() const noexcept override { return rendered_.c_str(); }

 private:
  void render();

  ErrorCode code_;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> context_;
  std::string rendered_;
};

[[noreturn]] void fail_check(const char* expression, const char* file, int line);

}  // namespace qtool

// For conditions that only a bug of ours can break; never for user input.
#define QTOOL_CHECK(condition) \
  do {                         \
    if (!(condition)) ::qtool::fail_check(#condition, __FILE__, __LINE__); \
  } while (false)
