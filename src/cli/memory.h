// Peak resident memory of this process, in MB (10^6 bytes).
#pragma once

#include <sys/resource.h>

namespace qtool::cli {

inline double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
}

}  // namespace qtool::cli
