#include "qtool/pipeline/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "qtool/exec/executor.h"
#include "qtool/exec/fma_probe.h"
#include "qtool/exporters/encodings_json.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"
#include "qtool/support/parallel.h"
#include "qtool/tensor/simd.h"

namespace qtool::pipeline {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

// Floats uniform in [0, 1), the range of prepared pixels; zeros for every other type (valid as any index).
std::vector<Tensor> random_inputs(const std::vector<TensorType>& types) {
  std::vector<Tensor> inputs;
  uint32_t state = 1;
  for (const TensorType& type : types) {
    Tensor tensor(DType::kFloat32, type.shape);
    if (is_floating(type.dtype)) {
      for (float& value : tensor.mutable_data<float>()) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(state >> 8) * 0x1p-24f;
      }
    }
    inputs.push_back(tensor.cast(type.dtype));
  }
  return inputs;
}

constexpr int kRounds = 7;

// Times of kRounds rounds in ms; `round` runs n images.
struct Timed {
  std::vector<double> ms;
  int64_t images_per_round = 0;
};

template <class Round>
Timed time_rounds(double seconds, int64_t smallest, const Round& round) {
  round(smallest);  // caches, page faults, code paths
  const auto start = Clock::now();
  round(smallest);
  const double once = std::max(ms_since(start), 1e-3);
  const double fitting = seconds * 1e3 / kRounds / once;
  Timed timed{.images_per_round = smallest * std::max<int64_t>(1, std::llround(fitting))};
  for (int i = 0; i < kRounds; ++i) {
    const auto begin = Clock::now();
    round(timed.images_per_round);
    timed.ms.push_back(ms_since(begin));
  }
  return timed;
}

void measure_throughput(const exec::Executor& executor, const std::vector<Tensor>& inputs, const BenchConfig& config,
                        BenchSummary& summary) {
  std::vector<exec::Session> sessions;
  for (int i = 0; i < config.threads; ++i) sessions.push_back(executor.new_session());
  const Timed timed = time_rounds(config.seconds * 0.5, config.threads, [&](int64_t images) {
    parallel_for(images, config.threads, [&](int64_t, int worker) { (void)sessions[static_cast<size_t>(worker)].run(inputs); });
  });
  const double middle = median(timed.ms);
  const auto [fastest, slowest] = std::minmax_element(timed.ms.begin(), timed.ms.end());
  summary.ms_per_image = middle / static_cast<double>(timed.images_per_round);
  summary.images_per_second = 1e3 / summary.ms_per_image;
  summary.images = timed.images_per_round * kRounds;
  summary.rounds = kRounds;
  summary.spread = (*slowest - *fastest) / middle;
}

double measure_latency(const exec::Executor& executor, const std::vector<Tensor>& inputs, double seconds) {
  exec::Session session = executor.new_session();
  const Timed timed = time_rounds(seconds, 1, [&](int64_t images) {
    for (int64_t i = 0; i < images; ++i) (void)session.run(inputs);
  });
  return median(timed.ms) / static_cast<double>(timed.images_per_round);
}

std::vector<exec::StepTime> slowest_steps(const exec::Executor& executor, const std::vector<Tensor>& inputs) {
  constexpr int kRuns = 10;
  std::vector<exec::StepTime> times = executor.new_session().profile(inputs, kRuns);
  std::stable_sort(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return times;
}

}  // namespace

BenchSummary bench(const BenchConfig& config, Reporter& reporter) {
  BenchSummary summary{.backend = config.encodings.empty() ? "fp32" : "sim",
                       .isa = std::string(simd::isa_name(simd::kernels().isa)), .threads = config.threads};
  auto start = Clock::now();
  LoadedModel model = load_model(with_encodings(config.model, config.encodings), reporter);
  summary.import_ms = ms_since(start);
  exec::ExecOptions options;
  if (model.quantized) {
    options.encodings = &model.state.encodings;
    summary.backend = "sim";
  }
  if (!config.encodings.empty()) {
    const auto applied = exporters::apply_encodings(model.state, ops::builtin_registry(), read_text_file(config.encodings),
                                                    config.encodings.filename().string(), {.removed_names = model.original_tensors});
    for (const std::string& warning : applied.warnings) reporter.warning(warning);
    reporter.info(format("{} of {} encodings of the file applied, {} biases derived", applied.applied, applied.in_file, applied.derived_biases));
    options.encodings = &model.state.encodings;
  }
  start = Clock::now();
  std::optional<exec::Executor> executor(std::in_place, model.state.graph, options);
  summary.plan_ms = ms_since(start);
  summary.steps = executor->summary().steps;
  summary.reference_nodes = executor->summary().reference_nodes;
  summary.arena_mb = static_cast<double>(executor->summary().arena_bytes) / 1e6;
  for (const std::string& node : summary.reference_nodes) reporter.debug("no fast kernel: " + node);

  const std::vector<Tensor> inputs = random_inputs(executor->input_types());
  for (const int threads : {1, config.threads}) summary.fma_gflops[threads] = exec::fma_probe_gflops(threads);
  measure_throughput(*executor, inputs, config, summary);
  if (config.profile) summary.step_times = slowest_steps(*executor, inputs);
  summary.peak_memory_mb = peak_memory_mb();
  if (config.threads > 1) {
    options.intra_threads = config.threads;
    executor.emplace(model.state.graph, options);
  }
  summary.latency_ms = measure_latency(*executor, inputs, config.seconds * 0.25);
  return summary;
}

}  // namespace qtool::pipeline
