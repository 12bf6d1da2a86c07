#include "precision_flags.h"

#include <algorithm>

namespace qtool::cli {

void PrecisionFlags::add(CLI::App& app) {
  using Kind = passes::PrecisionRule::Kind;
  const auto flag = [&](const char* names, Kind kind, int bits, const char* help) {
    const std::string all = names;
    Flag& added = flags_.emplace_back();
    added.rule = {.kind = kind, .bits = bits, .pattern = {}, .option = all.substr(0, all.find(','))};
    added.option = app.add_option(names, added.patterns, help)->group("Precision by hand")->allow_extra_args(false);
  };
  flag("--float", Kind::kFloat, 0, "compute operators in float: glob on node or tensor names, or operator type (all of these repeatable)");
  flag("--act16,--a16", Kind::kActivation, 16, "16-bit outputs; also of model inputs by name");
  flag("--act8,--a8", Kind::kActivation, 8, "8-bit outputs; takes back --float and --act16 before it");
  flag("--w4", Kind::kWeight, 4, "4-bit weights, by operator or weight name");
  flag("--w8", Kind::kWeight, 8, "8-bit weights");
  flag("--w16", Kind::kWeight, 16, "16-bit weights");
}

std::vector<passes::PrecisionRule> PrecisionFlags::rules(const CLI::App& app) const {
  std::vector<passes::PrecisionRule> rules;
  std::vector<size_t> used(flags_.size(), 0);
  for (const CLI::Option* option : app.parse_order()) {
    const auto at = std::ranges::find(flags_, option, &Flag::option);
    if (at == flags_.end()) continue;
    const auto index = static_cast<size_t>(at - flags_.begin());
    if (used[index] >= at->patterns.size()) continue;
    rules.push_back(at->rule);
    rules.back().pattern = at->patterns[used[index]++];
  }
  return rules;
}

}  // namespace qtool::cli
