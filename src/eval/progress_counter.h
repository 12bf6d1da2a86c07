// Reports progress from workers, one at a time.
#pragma once

#include <mutex>
#include <string>

#include "qtool/support/reporter.h"

namespace qtool::eval {

class ProgressCounter {
 public:
  ProgressCounter(Reporter& reporter, std::string stage, int64_t total)
      : reporter_(reporter), stage_(std::move(stage)), total_(total) {}

  void step() {
    const std::lock_guard lock(mutex_);
    reporter_.progress(stage_, ++done_, total_);
  }

 private:
  Reporter& reporter_;
  std::string stage_;
  std::mutex mutex_;
  int64_t done_ = 0, total_;
};

}  // namespace qtool::eval
