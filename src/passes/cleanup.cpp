#include "qtool/passes/cleanup.h"

#include <algorithm>
#include <map>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::passes {

namespace {

class Cleanup {
 public:
  Cleanup(const CleanupOptions& options, const Registry& registry) : rounds_left_(options.max_rounds) {
    for (const std::string& name : options.disabled) {
      if (registry.at(name).info.category == PassCategory::kOptimization) {
        throw Error(ErrorCode::kUsage, format("pass '{}' is not part of the clean-up", name));
      }
    }
    for (const Registry::Entry* entry : registry.all()) {
      const bool disabled = std::count(options.disabled.begin(), options.disabled.end(), entry->info.name) > 0;
      if (entry->info.category == PassCategory::kOptimization || disabled) continue;
      steps_.push_back({entry->info.category, entry->make(), {.pass = entry->info.name}});
    }
  }

  std::vector<PassLogEntry> run(model::ModelState& state, Reporter& reporter) {
    do {
      while (run_round(PassCategory::kCleanup, state, reporter) > 0) count_round();
    } while (run_round(PassCategory::kCleanupLast, state, reporter) > 0);
    std::vector<PassLogEntry> log;
    for (Step& step : steps_) log.push_back(std::move(step.log));
    return log;
  }

 private:
  struct Step {
    PassCategory category;
    std::unique_ptr<Pass> pass;
    PassLogEntry log;
  };

  int64_t run_round(PassCategory category, model::ModelState& state, Reporter& reporter) {
    int64_t changes = 0;
    for (Step& step : steps_) {
      if (step.category != category) continue;
      PassResult result = step.pass->run(state, reporter);
      if (result.changes > 0) reporter.debug(format("{}: {} changes", step.log.pass, result.changes));
      changes += result.changes;
      step.log.changes += result.changes;
      for (std::string& note : result.notes) {
        auto& notes = step.log.notes;
        if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
      }
    }
    return changes;
  }

  // Two passes that undo each other would go on for ever.
  void count_round() {
    if (--rounds_left_ < 0) throw Error(ErrorCode::kInternal, "the clean-up does not settle");
  }

  int rounds_left_;
  std::vector<Step> steps_;
};

// Facts about tensors that no longer exist.
void forget_erased(model::ModelState& state) {
  std::erase_if(state.folded_batch_norms,
                [&](const auto& entry) { return state.graph.value(entry.first).producer == ir::kNoNode; });
}

}  // namespace

std::vector<PassLogEntry> run_cleanup(model::ModelState& state, const CleanupOptions& options, const Registry& registry,
                                      Reporter& reporter) {
  std::vector<PassLogEntry> log = Cleanup(options, registry).run(state, reporter);
  forget_erased(state);
  const auto problems = state.graph.verify();
  if (!problems.empty()) throw Error(ErrorCode::kInternal, format("after the clean-up: {}", problems.front()));
  return log;
}

std::vector<PassLogEntry> run_cleanup(model::ModelState& state, const CleanupOptions& options, Reporter& reporter) {
  return run_cleanup(state, options, builtin_registry(), reporter);
}

}  // namespace qtool::passes
