// The options of --optimizations auto and of what it writes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "evaluation_flags.h"
#include "qtool/pipeline/quantize.h"

namespace qtool::cli {

struct SearchFlags {
  double target_drop = 0.0, target_cost = 0.0;
  std::string time_budget;
  EvaluationFlags evaluation;
};

// `config` and `flags` must live as long as the app.
void add_search(CLI::App& app, SearchFlags& flags, pipeline::QuantizeConfig& config);

// Call when the command runs, with preprocessing and threads settled.
void settle_search(const CLI::App& app, const SearchFlags& flags, pipeline::QuantizeConfig& config);

}  // namespace qtool::cli
