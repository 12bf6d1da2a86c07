// One subcommand: declares its options and returns the action to run. A file cmd_<name>.cpp each.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "qtool/support/reporter.h"

namespace qtool::cli {

// Options every command has.
struct CommonOptions {
  bool quiet = false, verbose = false, log_json = false, json = false;
  int threads = 0;           // 0: all this process may use
  std::string isa = "auto";
  [[nodiscard]] int resolved_threads() const;
};

using Action = std::function<int(Reporter&)>;  // returns the exit code

Action add_quantize(CLI::App& app, const CommonOptions& common);
Action add_run(CLI::App& app, const CommonOptions& common);
Action add_evaluate(CLI::App& app, const CommonOptions& common);
Action add_analyze(CLI::App& app, const CommonOptions& common);
Action add_advise(CLI::App& app, const CommonOptions& common);
Action add_convert(CLI::App& app, const CommonOptions& common);
Action add_bench(CLI::App& app, const CommonOptions& common);
Action add_inspect(CLI::App& app, const CommonOptions& common);
Action add_encodings(CLI::App& app, const CommonOptions& common);
Action add_compare(CLI::App& app, const CommonOptions& common);
Action add_recipe(CLI::App& app, const CommonOptions& common);
Action add_calibrate(CLI::App& app, const CommonOptions& common);
Action add_merge_stats(CLI::App& app, const CommonOptions& common);
Action add_list(CLI::App& app, const CommonOptions& common);

// Shared by commands that read a model.
void add_input_shape(CLI::App& app, std::vector<std::string>& shapes);
void add_split_output(CLI::App& app, std::vector<std::string>& outputs);
void add_unroll_recurrent(CLI::App& app, std::string& mode);

}  // namespace qtool::cli
