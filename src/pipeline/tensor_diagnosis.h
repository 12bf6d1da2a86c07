// Why a tensor suffers from its grid, in plain words, and which option addresses it. From ranges and statistics alone.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "qtool/calib/statistics.h"
#include "qtool/model/model_state.h"

namespace qtool::pipeline {

struct Diagnosis {
  std::string kind;    // "range clash", "outliers", "few levels", "unequal channels"
  std::string cause;   // one or two sentences with figures
  std::string option;  // command line option; may be empty
  double severity = 0.0;  // comparable between tensors; 1: the usual rule of thumb is just broken
};

// `statistics` may be nullptr; without a histogram outliers and few levels are not looked for. nullopt: nothing stands out.
[[nodiscard]] std::optional<Diagnosis> diagnose_tensor(const model::ModelState& state, const calib::TensorStatistics* statistics,
                                                       ir::ValueId id);

}  // namespace qtool::pipeline
