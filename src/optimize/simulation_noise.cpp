#include "qtool/optimize/simulation_noise.h"

#include <algorithm>

#include "qtool/calib/model_inputs.h"
#include "qtool/exec/executor.h"
#include "qtool/support/parallel.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kReferenceBytes = int64_t{96} << 20;

int64_t output_bytes(const std::vector<Tensor>& outputs) {
  int64_t bytes = 0;
  for (const Tensor& output : outputs) bytes += static_cast<int64_t>(output.size_bytes());
  return bytes;
}

// use(sample, outputs) on worker threads.
template <class Use>
void for_each_sample(const exec::Executor& executor, const ir::Graph& graph, const data::SampleSource& source, int64_t first, int64_t last,
                     int threads, const Use& use) {
  std::vector<std::optional<exec::Session>> sessions(static_cast<size_t>(threads));
  parallel_for(last - first, threads, [&](int64_t index, int worker) {
    auto& session = sessions[static_cast<size_t>(worker)];
    if (!session) session.emplace(executor.new_session());
    use(first + index, session->run(calib::model_inputs(graph, source.load(first + index))));
  });
}

// What integer hardware calls float.
std::vector<Tensor> with_half_outputs(const model::ModelState& state, std::vector<Tensor> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool has_grid = state.encodings.empty() || state.encodings.contains(state.graph.outputs[i]);
    if (!has_grid && outputs[i].dtype() == DType::kFloat32) outputs[i] = outputs[i].cast(DType::kFloat16).cast(DType::kFloat32);
  }
  return outputs;
}

}  // namespace

int64_t affordable_simulations(const ir::Graph& graph) {
  constexpr int64_t kFewest = 12, kMost = 32;
  constexpr double kWork = 2e10;
  double work = 1.0;
  for (const ir::ValueId input : graph.inputs) work += suffix_work(graph, input);
  return std::clamp(static_cast<int64_t>(kWork / work), kFewest, kMost);
}

SimulationNoise::SimulationNoise(const ir::Graph& graph, const data::SampleSource& source, int64_t samples, int threads)
    : graph_(graph), source_(source), threads_(threads) {
  const exec::Executor executor(graph, {});
  std::vector<Tensor> first = executor.new_session().run(calib::model_inputs(graph, source.load(0)));
  measure_.emplace(graph, first);
  const int64_t affordable = kReferenceBytes / std::max<int64_t>(1, output_bytes(first));
  references_.resize(static_cast<size_t>(std::clamp<int64_t>(affordable, 1, std::min(samples, source.size()))));
  references_[0] = measure_->reference(std::move(first));
  for_each_sample(executor, graph, source, 1, this->samples(), threads_, [&](int64_t sample, std::vector<Tensor> outputs) {
    references_[static_cast<size_t>(sample)] = measure_->reference(std::move(outputs));
  });
}

OutputNoise SimulationNoise::of(const model::ModelState& state) const {
  const exec::Executor executor(state.graph, {.encodings = &state.encodings});
  std::vector<std::vector<double>> noise(references_.size());
  for_each_sample(executor, state.graph, source_, 0, samples(), threads_, [&](int64_t sample, std::vector<Tensor> outputs) {
    noise[static_cast<size_t>(sample)] = measure_->noise(references_[static_cast<size_t>(sample)], with_half_outputs(state, std::move(outputs)));
  });
  OutputNoise total;
  for (size_t i = 0; i < references_.size(); ++i) total.add(references_[i].signal, noise[i]);
  return total;
}

}  // namespace qtool::optimize
