// A pass: one transformation of a model in flight.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/support/reporter.h"

namespace qtool::passes {

struct PassResult {
  int64_t changes = 0;             // rewrites made; 0 means the model is as it was
  std::vector<std::string> notes;  // for the report: what was left alone and why
};

enum class PassCategory : uint8_t {
  kCleanup,      // run_cleanup, repeated until nothing changes
  kCleanupLast,  // run_cleanup, once kCleanup has settled: rewrites that would hide a better match
  kOptimization,  // chosen by a recipe
};

struct PassInfo {
  std::string name;
  std::string summary;  // one line
  PassCategory category = PassCategory::kOptimization;
  int order = 0;  // within the category, ascending
};

// Passes keep the names of graph inputs and outputs, give every new value its type, and leave a graph without
// violations (ir::Graph::verify). They are deterministic.
class Pass {
 public:
  virtual ~Pass() = default;
  virtual PassResult run(model::ModelState& state, Reporter& reporter) = 0;
};

}  // namespace qtool::passes
