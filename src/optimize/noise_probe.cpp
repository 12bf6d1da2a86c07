#include "qtool/optimize/noise_probe.h"

#include <algorithm>

#include "qtool/calib/model_inputs.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"
#include "qtool/support/parallel.h"
#include "qtool/tensor/simd.h"

namespace qtool::optimize {

namespace {

// Each worker holds all activations of one image.
constexpr size_t kWorkerMemory = size_t{1} << 30;

int affordable_workers(int threads, size_t arena_bytes) {
  const auto fit = static_cast<int>(kWorkerMemory / std::max<size_t>(1, arena_bytes));
  return std::clamp(fit, 1, threads);
}

// Few samples are shared out in parts, so that no thread waits long for the last ones; but every thread that takes up a sample runs
// the whole model once for it, so parts are not small.
size_t parts_of_a_sample(size_t threads, size_t samples, size_t variants) {
  constexpr size_t kSmallPart = 16, kJobsEach = 4;
  const auto jobs_of = [&](size_t jobs) { return (jobs + samples - 1) / std::max<size_t>(1, samples); };
  return std::max({size_t{1}, jobs_of(threads), std::min(jobs_of(kJobsEach * threads), variants / kSmallPart)});
}

ir::Graph with_rounded_constants(const ir::Graph& graph, const model::EncodingTable& encodings) {
  ir::Graph rounded = graph;
  for (const auto& [id, entry] : encodings) {
    const Tensor* constant = graph.constant(id);
    if (constant != nullptr && constant->dtype() == DType::kFloat32) rounded.value(id).constant = quant::fake_quantize(*constant, entry.encoding);
  }
  return rounded;
}

}  // namespace

exec::SuffixSession::Change onto_grid(const quant::Encoding& encoding) {
  QTOOL_CHECK(encoding.grids.size() == 1);
  const auto scale = static_cast<float>(encoding.grids[0].scale);
  const auto lowest = static_cast<float>(encoding.lowest_level()), highest = static_cast<float>(encoding.highest_level());
  return [=](ir::ValueId, std::span<float> values) {
    simd::kernels().fake_quantize(values.data(), values.data(), static_cast<int64_t>(values.size()), scale, lowest, highest);
  };
}

struct NoiseProbe::Worker {
  Worker(const exec::Executor& executor, const std::optional<exec::Executor>& rounded) : session(executor, rounded ? &*rounded : nullptr) {}

  exec::SuffixSession session;
  int64_t sample = -1;
  std::vector<Tensor> inputs;
  OutputReference reference;

  [[nodiscard]] std::vector<Tensor> outputs(size_t count, bool changed) const {
    std::vector<Tensor> result;
    for (size_t i = 0; i < count; ++i) result.push_back(changed ? session.changed_output(i) : session.output(i));
    return result;
  }
};

NoiseProbe::NoiseProbe(const ir::Graph& graph, const std::vector<ir::ValueId>& changeable, const data::SampleSource& source, int threads,
                       const model::EncodingTable* constants)
    : graph_(graph), source_(source), executor_(graph, {.observed = changeable, .keep_values = true}) {
  if (constants != nullptr) rounded_.emplace(with_rounded_constants(graph, *constants), exec::ExecOptions{.observed = changeable, .keep_values = true});
  threads_ = affordable_workers(threads, executor_.summary().arena_bytes);
  Worker worker(executor_, rounded_);
  worker.session.run(calib::model_inputs(graph_, source_.load(0)));
  measure_.emplace(graph_, worker.outputs(graph_.outputs.size(), false));
}

void NoiseProbe::load(Worker& worker, int64_t sample) const {
  if (worker.sample == sample) return;
  worker.inputs = calib::model_inputs(graph_, source_.load(sample));
  worker.session.run(worker.inputs);
  worker.reference = measure_->reference(worker.outputs(graph_.outputs.size(), false));
  worker.sample = sample;
}

OutputNoise NoiseProbe::noise_of(Worker& worker, const Variant& variant) const {
  worker.session.rerun(variant.changed, variant.change, variant.rounded);
  OutputNoise noise;
  noise.add(worker.reference.signal, measure_->noise(worker.reference, worker.outputs(graph_.outputs.size(), true)));
  return noise;
}

std::vector<std::vector<OutputNoise>> NoiseProbe::run_each(std::span<const Variant> variants, std::span<const int64_t> samples) {
  std::vector<std::vector<OutputNoise>> found(samples.size(), std::vector<OutputNoise>(variants.size()));
  const size_t parts = parts_of_a_sample(static_cast<size_t>(threads_), samples.size(), variants.size());
  std::vector<std::optional<Worker>> workers(static_cast<size_t>(threads_));
  parallel_for(static_cast<int64_t>(samples.size() * parts), threads_, [&](int64_t job, int worker_index) {
    auto& worker = workers[static_cast<size_t>(worker_index)];
    if (!worker) worker.emplace(executor_, rounded_);
    const size_t s = static_cast<size_t>(job) / parts;
    load(*worker, samples[s]);
    // Variants come in the order of the graph: every part gets long suffixes and short ones.
    for (size_t i = static_cast<size_t>(job) % parts; i < variants.size(); i += parts) found[s][i] = noise_of(*worker, variants[i]);
  });
  return found;
}

std::vector<OutputNoise> NoiseProbe::run(std::span<const Variant> variants, std::span<const int64_t> samples) {
  std::vector<OutputNoise> total(variants.size());
  for (const std::vector<OutputNoise>& of_sample : run_each(variants, samples)) {  // in the order of samples: sums of double
    for (size_t i = 0; i < of_sample.size(); ++i) total[i].add(of_sample[i].signal, of_sample[i].noise);
  }
  return total;
}

}  // namespace qtool::optimize
