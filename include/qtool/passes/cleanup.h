// The clean-up that every imported model goes through before anything is measured or quantized.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtool/passes/registry.h"

namespace qtool::passes {

struct CleanupOptions {
  std::vector<std::string> disabled;  // names of passes to leave out
  int max_rounds = 32;                // a safety net; real models settle in two to four
};

struct PassLogEntry {
  std::string pass;
  int64_t changes = 0;
  std::vector<std::string> notes;
};

// Runs the passes of category kCleanup in ascending order, again and again until a whole round changes nothing; then
// those of kCleanupLast, and the former again if these changed something. Types must be settled (ops::infer_shapes).
// One log entry a pass, in recipe order, changes summed over the rounds. Throws Error(kUsage) when a disabled name is
// unknown or not part of the clean-up.
std::vector<PassLogEntry> run_cleanup(model::ModelState& state, const CleanupOptions& options, Reporter& reporter);
std::vector<PassLogEntry> run_cleanup(model::ModelState& state, const CleanupOptions& options, const Registry& registry,
                                      Reporter& reporter);

}  // namespace qtool::passes
