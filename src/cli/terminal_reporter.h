// Talk goes to stderr through spdlog: a redrawn progress bar on a terminal, sparse plain lines otherwise.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "qtool/support/reporter.h"

namespace spdlog {
class logger;
}

namespace qtool::cli {

enum class Verbosity { kQuiet, kNormal, kVerbose };

class TerminalReporter final : public Reporter {
 public:
  TerminalReporter(Verbosity verbosity, bool json_lines);
  ~TerminalReporter() override;
  void say(Severity severity, std::string_view message) override;
  void progress(std::string_view stage, int64_t done, int64_t total) override;
  // Why the command failed; said at every verbosity. `code` goes into JSON lines only.
  void error(std::string_view code, std::string_view message);

 private:
  void clear_bar();

  std::mutex mutex_;
  Verbosity verbosity_;
  bool json_lines_;
  bool on_terminal_;
  bool bar_drawn_ = false;
  int last_tenth_ = -1;
  std::chrono::steady_clock::time_point stage_start_, last_draw_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace qtool::cli
