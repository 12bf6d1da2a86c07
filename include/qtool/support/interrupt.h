// Ctrl-C as a question that long work asks when it can stop cleanly.
#pragma once

#include <string>

#include "qtool/support/error.h"

namespace qtool {

// Stopped on request, at a point where the work can go on later.
class Interrupted : public Error {
 public:
  explicit Interrupted(std::string message) : Error(ErrorCode::kUsage, std::move(message)) {}
};

// While an object lives the first SIGINT or SIGTERM only sets a flag; a second one ends the process as usual. Not nested.
class InterruptScope {
 public:
  InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  ~InterruptScope();
  [[nodiscard]] static bool requested();
};

}  // namespace qtool
