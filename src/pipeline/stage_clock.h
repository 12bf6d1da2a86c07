// Wall time of the stages of one run.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace qtool::pipeline {

class StageClock {
 public:
  void mark(const std::string& stage) {
    const auto now = std::chrono::steady_clock::now();
    seconds[stage] = std::chrono::duration<double>(now - last_).count();
    seconds["total"] = std::chrono::duration<double>(now - start_).count();
    last_ = now;
  }
  std::map<std::string, double> seconds;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_ = start_;
};

}  // namespace qtool::pipeline
