#include "terminal_reporter.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

const char* severity_name(Severity severity) {
  return severity == Severity::kWarning ? "warning" : severity == Severity::kInfo ? "info" : "debug";
}

}  // namespace

TerminalReporter::TerminalReporter(Verbosity verbosity, bool json_lines)
    : verbosity_(verbosity), json_lines_(json_lines), on_terminal_(::isatty(STDERR_FILENO) != 0 && !json_lines) {
  logger_ = std::make_shared<spdlog::logger>("qtool", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger_->set_pattern("%^%l%$: %v");
  logger_->set_level(spdlog::level::debug);
}

TerminalReporter::~TerminalReporter() { clear_bar(); }

void TerminalReporter::say(Severity severity, std::string_view message) {
  if (severity == Severity::kDebug && verbosity_ != Verbosity::kVerbose) return;
  if (severity == Severity::kInfo && verbosity_ == Verbosity::kQuiet) return;
  const std::lock_guard lock(mutex_);
  clear_bar();
  if (json_lines_) {
    const nlohmann::ordered_json line = {{"level", severity_name(severity)}, {"message", message}};
    std::fprintf(stderr, "%s\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (severity == Severity::kWarning) {
    logger_->warn(message);
  } else if (severity == Severity::kInfo) {
    logger_->info(message);
  } else {
    logger_->debug(message);
  }
}

void TerminalReporter::error(std::string_view code, std::string_view message) {
  const std::lock_guard lock(mutex_);
  clear_bar();
  if (json_lines_) {
    const nlohmann::ordered_json line = {{"level", "error"}, {"code", code}, {"message", message}};
    std::fprintf(stderr, "%s\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    logger_->error(message);
  }
}

void TerminalReporter::progress(std::string_view stage, int64_t done, int64_t total) {
  if (verbosity_ == Verbosity::kQuiet || total <= 0) return;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (done <= 1) {
    stage_start_ = now;
    last_tenth_ = -1;
  }
  const double elapsed = std::chrono::duration<double>(now - stage_start_).count();
  const double left = done > 1 ? elapsed / static_cast<double>(done - 1) * static_cast<double>(total - done) : 0.0;
  if (on_terminal_) {
    const bool due = done == total || std::chrono::duration<double>(now - last_draw_).count() > 0.1;
    if (!due) return;
    last_draw_ = now;
    constexpr int64_t kWidth = 30;
    const auto filled = static_cast<size_t>(kWidth * done / total);
    std::fprintf(stderr, "\r\033[K%.*s [%s%s] %ld/%ld  %.0f s left", static_cast<int>(stage.size()), stage.data(),
                 std::string(filled, '#').c_str(), std::string(static_cast<size_t>(kWidth) - filled, '.').c_str(),
                 static_cast<long>(done), static_cast<long>(total), left);
    bar_drawn_ = true;
    if (done == total) clear_bar();
    return;
  }
  const int tenth = static_cast<int>(10 * done / total);
  if (tenth == last_tenth_ || (done != total && total < 20)) return;
  last_tenth_ = tenth;
  if (json_lines_) {
    const nlohmann::ordered_json line = {{"level", "progress"}, {"stage", stage}, {"done", done}, {"total", total}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
  } else if (tenth % 5 == 0) {
    std::fprintf(stderr, "%s: %ld of %ld\n", std::string(stage).c_str(), static_cast<long>(done), static_cast<long>(total));
  }
}

void TerminalReporter::clear_bar() {
  if (!bar_drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  bar_drawn_ = false;
}

}  // namespace qtool::cli
