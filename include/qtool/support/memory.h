// Peak resident memory of this process, in MB (10^6 bytes).
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

namespace qtool {

// From /proc, not getrusage(): the latter also counts the pages of the parent between fork and exec.
inline double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) * 1024.0 / 1e6;
  }
  return 0.0;
}

}  // namespace qtool
