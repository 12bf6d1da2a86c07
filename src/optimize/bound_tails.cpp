#include "bound_tails.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "channel_flow.h"
#include "qtool/exec/executor.h"
#include "qtool/support/parallel.h"
#include "samples.h"

namespace qtool::optimize {

namespace {

using ir::ValueId;

constexpr int64_t kMostSamples = 128;  // spread over all
constexpr int kMantissaBits = 23, kExponentBias = 127, kBinBits = 4;

struct Worker {
  exec::Session session;
  BoundTails tails;
};

void observe(std::vector<BoundTail>& channels, const exec::PhysicalView& view, float inverse_bound) {
  channels.resize(static_cast<size_t>(view.shape[1]));
  exec::for_each_channel_span(view, [&](int64_t channel, std::span<const float> values) {
    BoundTail& tail = channels[static_cast<size_t>(channel)];
    for (const float v : values) tail.observe(v * inverse_bound);
    tail.add_count(static_cast<int64_t>(values.size()));
  });
}

}  // namespace

void BoundTail::observe(float value_over_bound) {
  constexpr float kLowest = 0.125f;
  if (!(value_over_bound >= kLowest) || std::isinf(value_over_bound)) return;
  // Exponent and leading bits of the mantissa number the bins.
  const uint32_t place = std::bit_cast<uint32_t>(value_over_bound) >> (kMantissaBits - kBinBits);
  constexpr uint32_t first = static_cast<uint32_t>(kExponentBias + kLowestOctave) << kBinBits;
  ++bins_[std::min<size_t>(place - first, bins_.size() - 1)];
}

void BoundTail::merge(const BoundTail& other) {
  for (size_t i = 0; i < bins_.size(); ++i) bins_[i] += other.bins_[i];
  count_ += other.count_;
}

double BoundTail::centre(size_t bin) {
  const auto octave = static_cast<int>(bin / kBinsPerOctave);
  return std::ldexp(1.0 + (static_cast<double>(bin % kBinsPerOctave) + 0.5) / kBinsPerOctave, kLowestOctave + octave);
}

BoundShift BoundTail::shift(double s, double stretch) const {
  if (count_ == 0) return {};
  double sum = 0.0, squares = 0.0, beyond = 0.0, errors_beyond = 0.0;
  for (size_t i = bins_.size(); i-- > 0;) {
    const double x = stretch * centre(i);
    if (x <= std::min(s, 1.0)) break;
    if (bins_[i] == 0) continue;
    const auto n = static_cast<double>(bins_[i]);
    const double error = std::min(x, s) - std::min(x, 1.0);
    sum += n * error;
    squares += n * error * error;
    if (x > s) {
      beyond += n;
      errors_beyond += n * error;
    }
  }
  const auto total = static_cast<double>(count_);
  const double mean = sum / total;
  return {mean, std::max(0.0, squares / total - mean * mean), 2.0 * s * (errors_beyond - mean * beyond) / total};
}

BoundTails observe_bound_tails(const ir::Graph& graph, const std::vector<ir::NodeId>& clips, const data::SampleSource& source, int threads) {
  std::map<ValueId, float> inverse_bounds;
  for (const ir::NodeId id : clips) inverse_bounds[graph.node(id).inputs[0]] = static_cast<float>(1.0 / clip_bounds(graph, graph.node(id))->high);
  std::vector<ValueId> observed;
  for (const auto& [value, inverse] : inverse_bounds) observed.push_back(value);
  const exec::Executor executor(graph, {.observed = observed});
  std::vector<std::optional<Worker>> workers(static_cast<size_t>(std::max(threads, 1)));
  const int64_t count = std::min(source.size(), kMostSamples);
  parallel_for(count, threads, [&](int64_t job, int at) {
    const int64_t index = job * source.size() / count;
    auto& worker = workers[static_cast<size_t>(at)];
    if (!worker) worker.emplace(Worker{executor.new_session(), {}});
    (void)worker->session.run(sample_inputs(graph, source, index), [&](ValueId value, const exec::PhysicalView& view) {
      observe(worker->tails[value], view, inverse_bounds.at(value));
    });
  });
  BoundTails total;
  for (const auto& worker : workers) {
    if (!worker) continue;
    for (const auto& [value, channels] : worker->tails) {
      std::vector<BoundTail>& mine = total[value];
      mine.resize(channels.size());
      for (size_t c = 0; c < channels.size(); ++c) mine[c].merge(channels[c]);
    }
  }
  return total;
}

}  // namespace qtool::optimize
