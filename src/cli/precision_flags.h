// --float, --act16, --w4 and their like: repeatable, and the order in which they are given counts.
#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <string>
#include <vector>

#include "qtool/passes/plan_quantization.h"

namespace qtool::cli {

class PrecisionFlags {
 public:
  void add(CLI::App& app);
  // In the order of the command line.
  [[nodiscard]] std::vector<passes::PrecisionRule> rules(const CLI::App& app) const;

 private:
  struct Flag {
    const CLI::Option* option = nullptr;
    passes::PrecisionRule rule;
    std::vector<std::string> patterns;
  };
  std::deque<Flag> flags_;  // stable addresses for the parser
};

}  // namespace qtool::cli
