// What a trial says is not what the run says: only progress passes, the result's warnings are said when it has won.
#pragma once

#include "qtool/support/reporter.h"

namespace qtool::pipeline {

class QuietTrial final : public Reporter {
 public:
  explicit QuietTrial(Reporter& reporter) : reporter_(reporter) {}
  void say(Severity, std::string_view message) override { reporter_.debug(message); }
  void progress(std::string_view stage, int64_t done, int64_t total) override { reporter_.progress(stage, done, total); }

 private:
  Reporter& reporter_;
};

}  // namespace qtool::pipeline
