#include "run_graphs.h"

#include <algorithm>
#include <optional>

#include "qtool/exec/executor.h"
#include "qtool/support/parallel.h"
#include "samples.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kMostPlans = 4;
constexpr int64_t kPlanBytes = int64_t{512} << 20;  // of the weights, which a plan holds on their grids and packed

int64_t affordable_plans(const ir::Graph& graph, int threads) {
  int64_t bytes = 1;
  for (const ir::ValueId id : graph.value_ids()) {
    if (const Tensor* constant = graph.constant(id)) bytes += 2 * static_cast<int64_t>(constant->size_bytes());
  }
  return std::clamp<int64_t>(std::min<int64_t>(threads, kPlanBytes / bytes), 1, kMostPlans);
}

// What a worker runs; another graph needs another session.
struct Worker {
  int64_t run = -1;
  std::optional<exec::Session> session;
};

}  // namespace

void run_graphs(std::span<const GraphRun> runs, const data::SampleSource& source, int64_t first, int64_t last, int threads,
                const std::function<void(size_t, int64_t, std::vector<Tensor>)>& use) {
  const auto count = static_cast<int64_t>(runs.size()), samples = last - first;
  if (runs.empty()) return;
  const int64_t at_once = affordable_plans(*runs.front().graph, threads);
  for (int64_t begin = 0; begin < count && samples > 0; begin += at_once) {
    const int64_t plans = std::min(at_once, count - begin);
    std::vector<std::optional<exec::Executor>> executors(static_cast<size_t>(plans));
    parallel_for(plans, threads, [&](int64_t i, int) {
      const GraphRun& run = runs[static_cast<size_t>(begin + i)];
      executors[static_cast<size_t>(i)].emplace(*run.graph, exec::ExecOptions{.encodings = run.encodings});
    });
    std::vector<Worker> workers(static_cast<size_t>(std::max(threads, 1)));
    parallel_for(plans * samples, threads, [&](int64_t index, int w) {
      Worker& worker = workers[static_cast<size_t>(w)];
      const int64_t run = index / samples, sample = first + index % samples;
      if (worker.run != run) {
        worker.session.reset();
        worker.session.emplace(executors[static_cast<size_t>(run)]->new_session());
        worker.run = run;
      }
      const auto at = static_cast<size_t>(begin + run);
      use(at, sample, worker.session->run(sample_inputs(*runs[at].graph, source, sample)));
    });
  }
}

}  // namespace qtool::optimize
