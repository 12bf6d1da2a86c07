// What library code may say while it works. Libraries never print: `cli` implements this for people,
// tests implement it to assert on what was said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qtool {

enum class Severity { kDebug, kInfo, kWarning };

class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void say(Severity severity, std::string_view message) = 0;
  // `done` of `total` units of `stage`; called from one thread at a time.
  virtual void progress(std::string_view stage, int64_t done, int64_t total) = 0;

  void debug(std::string_view message) { say(Severity::kDebug, message); }
  void info(std::string_view message) { say(Severity::kInfo, message); }
  void warning(std::string_view message) { say(Severity::kWarning, message); }
};

class SilentReporter final : public Reporter {
 public:
  void say(Severity, std::string_view) override {}
  void progress(std::string_view, int64_t, int64_t) override {}
};

// Keeps everything that was said, for tests and for the report file.
class RecordingReporter final : public Reporter {
 public:
  struct Entry {
    Severity severity;
    std::string message;
  };
  void say(Severity severity, std::string_view message) override {
    entries.push_back({severity, std::string(message)});
  }
  void progress(std::string_view, int64_t, int64_t) override {}
  std::vector<Entry> entries;
};

}  // namespace qtool
