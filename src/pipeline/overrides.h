// Encodings that the user brings along: read before the plan, frozen in it, and told afterwards.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qtool/exporters/encodings_json.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct Overrides {
  std::string file;                        // name without folders
  exporters::ResolvedEncodings resolved;
  std::vector<std::string> derived_biases; // int32 entries that the backends compute themselves
};

// nullopt without a file or with --ignore-encodings. Throws Error naming file and tensor, also when no entry applies.
[[nodiscard]] std::optional<Overrides> load_overrides(const OverrideOptions& options, const LoadedModel& model, Reporter& reporter);

void add_to_plan(const Overrides& overrides, passes::PlanOptions& options);

// After planning: the grids of the file, frozen. int32 biases stay out, their scale is input x weight whatever a file says.
void freeze_encodings(Overrides& overrides, model::ModelState& state);

// What came from the file and what calibration filled in.
struct OverrideOutcome {
  size_t from_file = 0, total = 0;
  std::vector<std::string> filled;         // tensors
  std::string line;                        // "N of M tensors from file ..."
};
[[nodiscard]] OverrideOutcome outcome_of(const Overrides& overrides, const model::ModelState& state);

}  // namespace qtool::pipeline
