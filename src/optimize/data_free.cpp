#include "data_free.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "channel_flow.h"
#include "qtool/passes/compute_encodings.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

constexpr int64_t kSyntheticSamples = 8;

class SyntheticSource final : public data::SampleSource {
 public:
  SyntheticSource(const ir::Graph& graph, const InputMoments& inputs) {
    for (const ir::ValueId id : graph.inputs) {
      const std::string& name = graph.value(id).name;
      const auto given = inputs.find(name);
      inputs_.push_back({name, graph.type_of(id), given == inputs.end() ? ChannelMoments{{0.0}, {1.0}, {-6.0}, {6.0}} : given->second});
    }
  }

  [[nodiscard]] int64_t size() const override { return kSyntheticSamples; }
  [[nodiscard]] std::string name(int64_t index) const override { return "synthetic sample " + std::to_string(index); }
  [[nodiscard]] data::Sample load(int64_t index) const override {
    data::Sample sample;
    std::mt19937_64 generator(static_cast<uint64_t>(index) + 1);
    for (const Input& input : inputs_) {
      Tensor tensor(DType::kFloat32, input.type.shape);
      size_t i = 0;
      const size_t channels = input.moments.mean.size(), each = tensor.data<float>().size() / channels;
      for (float& value : tensor.mutable_data<float>()) value = draw(generator, input.moments, i++ / std::max<size_t>(each, 1) % channels);
      sample[input.name] = input.type.dtype == DType::kFloat32 ? tensor : tensor.cast(input.type.dtype);
    }
    return sample;
  }

 private:
  struct Input {
    std::string name;
    TensorType type;
    ChannelMoments moments;
  };

  // Box-Muller: the standard library's distributions differ between implementations.
  static float draw(std::mt19937_64& generator, const ChannelMoments& moments, size_t c) {
    const double u = (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53, v = static_cast<double>(generator() >> 11) * 0x1p-53;
    const double z = std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
    return static_cast<float>(std::clamp(moments.mean[c] + z * moments.deviation[c], moments.lo[c], moments.hi[c]));
  }

  std::vector<Input> inputs_;
};

std::vector<double> tap_means(const ir::Graph& graph, const Layer& layer, const ChannelMoments& input) {
  std::vector<double> means(static_cast<size_t>(layer.in_channels * layer.taps));
  const bool convolution = graph.node(layer.node).op_type.starts_with("Conv");
  std::vector<double> coverage(static_cast<size_t>(layer.taps), 1.0);
  if (convolution) {
    const TapWindow window(graph, layer);
    for (size_t t = 0; t < coverage.size(); ++t) coverage[t] = window.coverage(static_cast<int64_t>(t));
  }
  for (size_t i = 0; i < means.size(); ++i) {
    const auto channel = static_cast<int64_t>(i) / layer.taps;
    const size_t c = layer.channel_axis == 1 ? moment_index(input, channel) : 0;
    means[i] = input.mean[c] * coverage[i % coverage.size()];
  }
  return means;
}

}  // namespace

std::unique_ptr<data::SampleSource> synthetic_samples(const ir::Graph& graph, const InputMoments& inputs) {
  return std::make_unique<SyntheticSource>(graph, inputs);
}

Statistics statistics_without_samples(const model::ModelState& state, const InputMoments& inputs) {
  const ValueMoments moments = flow_moments(state, inputs);
  Statistics statistics;
  for (const Layer& layer : layers_of(state.graph)) {
    const auto in = moments.find(layer.input), out = moments.find(layer.output);
    if (in != moments.end()) statistics.tap_means[layer.node] = tap_means(state.graph, layer, in->second);
    const bool by_channel = out != moments.end() && static_cast<int64_t>(out->second.mean.size()) == layer.out_channels;
    if (by_channel && layer.channel_axis == 1) statistics.channels[layer.output] = out->second;
    const bool inputs_by_channel = in != moments.end() && static_cast<int64_t>(in->second.mean.size()) == layer.in_channels;
    if (inputs_by_channel && layer.channel_axis == 1) statistics.channels[layer.input] = in->second;
  }
  return statistics;
}

calib::CalibrationResult ranges_without_samples(const model::ModelState& state, const InputMoments& inputs) {
  const ValueMoments moments = flow_moments(state, inputs);
  calib::CalibrationResult result;
  for (const ir::ValueId id : passes::observed_values(state)) {
    const auto at = moments.find(id);
    if (at == moments.end()) continue;
    calib::TensorStatistics& statistics = result.statistics[id];
    statistics.range = {*std::min_element(at->second.lo.begin(), at->second.lo.end()),
                        *std::max_element(at->second.hi.begin(), at->second.hi.end())};
    statistics.count = 1;
  }
  return result;
}

}  // namespace qtool::optimize
