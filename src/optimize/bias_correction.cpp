#include "bias_correction.h"

#include "qtool/quant/quantize.h"

namespace qtool::optimize {

std::vector<double> mean_output_error(const ir::Graph& graph, const Layer& layer, const quant::Encoding& encoding,
                                      const std::vector<double>& tap_means) {
  const Tensor& weight = *graph.constant(layer.weight);
  const Tensor rounded = quant::fake_quantize(weight, encoding);
  const auto exact = weight.data<float>(), on_grid = rounded.data<float>();
  std::vector<double> error(static_cast<size_t>(layer.out_channels), 0.0);
  WeightIndex(graph, layer).for_each([&](int64_t flat, const WeightPlace& place) {
    const auto i = static_cast<size_t>(flat);
    error[static_cast<size_t>(place.out)] +=
        (static_cast<double>(on_grid[i]) - exact[i]) * tap_means[static_cast<size_t>(place.in * layer.taps + place.tap)];
  });
  return error;
}

BiasCorrectionCounts correct_biases(Candidate& candidate) {
  BiasCorrectionCounts counts;
  ir::Graph& graph = candidate.state.graph;
  for (const Layer& layer : layers_of(graph)) {
    const auto entry = candidate.state.encodings.find(layer.weight);
    if (entry == candidate.state.encodings.end()) continue;
    const auto means = candidate.statistics.tap_means.find(layer.node);
    if (means == candidate.statistics.tap_means.end()) {
      ++counts.without_statistics;
      continue;
    }
    std::vector<double> shift = mean_output_error(graph, layer, entry->second.encoding, means->second);
    for (double& value : shift) value = -value;
    ++(shift_output(graph, layer, shift) ? counts.corrected : counts.without_bias);
  }
  return counts;
}

}  // namespace qtool::optimize
