#include "weight_ranges.h"

#include "qtool/quant/quantize.h"

namespace qtool::passes {

namespace {

using Values = std::vector<float>;

std::vector<Values> by_channel(const Tensor& tensor, int axis, size_t channels) {
  std::vector<Values> values(channels);
  const auto data = tensor.data<float>();
  quant::for_each_channel_element(tensor.shape(), axis, [&](int64_t i, int64_t c) {
    values[static_cast<size_t>(c)].push_back(data[static_cast<size_t>(i)]);
  });
  return values;
}

double noise_of(const Values& values, const quant::QuantSpec& spec, const quant::Range& range) {
  const Tensor tensor = Tensor::from<float>({static_cast<int64_t>(values.size())}, std::span<const float>(values));
  return quant::quantization_error(tensor, quant::encoding_from_ranges(spec, {&range, 1})).noise_power;
}

calib::TensorStatistics statistics_of(const Values& values, const quant::Range& exact) {
  calib::TensorStatistics statistics{.range = exact, .count = static_cast<int64_t>(values.size())};
  statistics.histogram.emplace().add(values);
  return statistics;
}

// First wins ties: min-max stands first.
quant::Range least_noise(const Values& values, const quant::QuantSpec& spec, const std::vector<quant::Range>& candidates) {
  quant::Range best = candidates.front();
  double least = noise_of(values, spec, best);
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (candidates[i] == best) continue;
    const double noise = noise_of(values, spec, candidates[i]);
    if (noise >= least) continue;
    least = noise;
    best = candidates[i];
  }
  return best;
}

}  // namespace

std::vector<quant::Range> weight_ranges(const Tensor& weight, const quant::QuantSpec& spec, const calib::Method& method,
                                        const calib::MethodOptions& options) {
  std::vector<quant::Range> ranges = quant::tensor_ranges(weight, spec.channel_axis);
  if (method.name == "min-max") return ranges;
  std::vector<const calib::Method*> methods = {&method};
  if (method.name == "auto") {
    methods.clear();
    for (const char* name : {"adjusted", "mse", "sqnr"}) methods.push_back(&calib::builtin_registry().at(name));
  }
  quant::QuantSpec alone = spec;
  alone.channel_axis = -1;
  if (spec.channel_axis >= 0) alone.min_range = 1e-12;  // as in the grids made of these ranges
  const std::vector<Values> values = by_channel(weight, spec.channel_axis, ranges.size());
  for (size_t c = 0; c < ranges.size(); ++c) {
    if (ranges[c].lo == 0.0 && ranges[c].hi == 0.0) continue;
    const calib::TensorStatistics statistics = statistics_of(values[c], ranges[c]);
    std::vector<quant::Range> candidates;
    if (method.minimizes_noise) candidates.push_back(ranges[c]);
    for (const calib::Method* candidate : methods) candidates.push_back(candidate->range(statistics, alone, options));
    ranges[c] = candidates.size() == 1 ? candidates.front() : least_noise(values[c], alone, candidates);
  }
  return ranges;
}

}  // namespace qtool::passes
