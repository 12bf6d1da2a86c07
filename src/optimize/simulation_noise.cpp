#include "qtool/optimize/simulation_noise.h"

#include <algorithm>

#include "qtool/exec/executor.h"
#include "run_graphs.h"
#include "samples.h"
#include "tensor_traits.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kReferenceBytes = int64_t{96} << 20;

int64_t output_bytes(const std::vector<Tensor>& outputs) {
  int64_t bytes = 0;
  for (const Tensor& output : outputs) bytes += static_cast<int64_t>(output.size_bytes());
  return bytes;
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
  std::vector<Tensor> first = executor.new_session().run(sample_inputs(graph, source, 0));
  measure_.emplace(graph, first);
  const int64_t affordable = kReferenceBytes / std::max<int64_t>(1, output_bytes(first));
  references_.resize(static_cast<size_t>(std::clamp<int64_t>(affordable, 1, std::min(samples, source.size()))));
  references_[0] = measure_->reference(std::move(first));
  const GraphRun run{&graph};
  run_graphs({&run, 1}, source, 1, this->samples(), threads_, [&](size_t, int64_t sample, std::vector<Tensor> outputs) {
    references_[static_cast<size_t>(sample)] = measure_->reference(std::move(outputs));
  });
}

OutputNoise SimulationNoise::of(const model::ModelState& state) const { return of_each({&state, 1})[0]; }

std::vector<OutputNoise> SimulationNoise::of_each(std::span<const model::ModelState> states) const {
  std::vector<GraphRun> runs;
  for (const model::ModelState& state : states) runs.push_back({&state.graph, &state.encodings});
  std::vector<std::vector<std::vector<double>>> noise(states.size(), std::vector<std::vector<double>>(references_.size()));
  run_graphs(runs, source_, 0, samples(), threads_, [&](size_t i, int64_t sample, std::vector<Tensor> outputs) {
    const auto s = static_cast<size_t>(sample);
    noise[i][s] = measure_->noise(references_[s], with_half_outputs(states[i], std::move(outputs)));
  });
  std::vector<OutputNoise> totals(states.size());
  for (size_t i = 0; i < states.size(); ++i) {
    for (size_t s = 0; s < references_.size(); ++s) totals[i].add(references_[s].signal, noise[i][s]);
  }
  return totals;
}

}  // namespace qtool::optimize
