#include "qtool/calib/calibrator.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <optional>

#include "qtool/exec/executor.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"
#include "qtool/tensor/simd.h"

namespace qtool::calib {

namespace {

void observe(TensorStatistics& statistics, const exec::PhysicalView& view) {
  if (statistics.channels) statistics.channels->observe(view);
  exec::for_each_span(view, [&](std::span<const float> values) {
    if (statistics.histogram) {
      statistics.histogram->add(values);
      return;
    }
    const auto n = static_cast<int64_t>(values.size());
    float lo = std::numeric_limits<float>::infinity(), hi = -lo;
    const int64_t bad = simd::kernels().min_max(values.data(), n, &lo, &hi);
    statistics.non_finite += bad;
    if (bad == n) return;
    const quant::Range range{lo, hi};
    if (statistics.empty()) statistics.range = range;
    else statistics.range.include(range);
    statistics.count += n - bad;
  });
}

// One worker's session and what it has seen so far.
class Worker {
 public:
  Worker(const exec::Executor& executor, const std::vector<ir::ValueId>& observed, const CalibrationOptions& options)
      : session_(executor.new_session()) {
    for (const ir::ValueId id : observed) {
      TensorStatistics& statistics = statistics_[id];
      if (options.histograms) statistics.histogram.emplace();
    }
    for (const auto& [id, axis] : options.channel_axes) statistics_[id].channels.emplace().axis = axis;
  }

  void run(const std::vector<Tensor>& inputs) {
    (void)session_.run(inputs, [&](ir::ValueId value, const exec::PhysicalView& view) {
      observe(statistics_.at(value), view);
    });
  }

  std::map<ir::ValueId, TensorStatistics>& statistics() { return statistics_; }

 private:
  exec::Session session_;
  std::map<ir::ValueId, TensorStatistics> statistics_;
};

std::vector<Tensor> inputs_of(const ir::Graph& graph, data::Sample sample) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    const auto found = sample.find(name);
    if (found == sample.end()) {
      throw Error(ErrorCode::kInvalidData, "a sample has no tensor for this model input").with("tensor", name);
    }
    inputs.push_back(found->second);
  }
  return inputs;
}

std::vector<ir::ValueId> tapped_values(std::vector<ir::ValueId> observed, const CalibrationOptions& options) {
  for (const auto& [id, axis] : options.channel_axes) {
    if (std::find(observed.begin(), observed.end(), id) == observed.end()) observed.push_back(id);
  }
  return observed;
}

void settle_from_histogram(TensorStatistics& statistics) {
  if (!statistics.histogram) return;
  statistics.range = statistics.histogram->range();
  statistics.count = statistics.histogram->finite_count();
  statistics.non_finite = statistics.histogram->non_finite_count();
}

}  // namespace

CalibrationResult calibrate(const ir::Graph& graph, const std::vector<ir::ValueId>& observed,
                            const data::SampleSource& source, const CalibrationOptions& options, Reporter& reporter) {
  const int64_t count = source.size();
  if (count == 0) throw Error(ErrorCode::kInvalidData, "there is no calibration sample");
  const exec::Executor executor(graph, {.observed = tapped_values(observed, options)});
  const int threads = static_cast<int>(std::clamp<int64_t>(options.threads, 1, count));
  std::vector<std::optional<Worker>> workers(static_cast<size_t>(threads));
  std::mutex progress_mutex;
  int64_t done = 0;
  parallel_for(count, threads, [&](int64_t index, int worker_index) {
    auto& worker = workers[static_cast<size_t>(worker_index)];
    if (!worker) worker.emplace(executor, observed, options);
    try {
      worker->run(inputs_of(graph, source.load(index)));
    } catch (Error& error) {
      error.with("sample", source.name(index));
      throw;
    }
    const std::lock_guard lock(progress_mutex);
    reporter.progress("calibrate", ++done, count);
  });

  CalibrationResult result{.samples = count, .arena_bytes = executor.summary().arena_bytes,
                           .reference_nodes = executor.summary().reference_nodes};
  for (auto& worker : workers) {
    if (!worker) continue;
    for (auto& [id, statistics] : worker->statistics()) {
      settle_from_histogram(statistics);
      result.statistics[id].merge(statistics);
    }
  }
  return result;
}

}  // namespace qtool::calib
