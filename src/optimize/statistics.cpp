#include "qtool/optimize/statistics.h"

#include <cmath>
#include <mutex>
#include <set>

#include "qtool/calib/channel_statistics.h"
#include "qtool/exec/executor.h"
#include "qtool/passes/rewrite.h"
#include "qtool/support/error.h"
#include "qtool/support/parallel.h"
#include "samples.h"
#include "tap_window.h"

namespace qtool::optimize {

namespace {

using ir::Graph;
using ir::NodeId;
using ir::ValueId;

struct TapJob {
  NodeId node;
  TapWindow window;
};

// What is measured at which value.
struct Measurements {
  std::map<ValueId, int> channel_axes;
  std::map<ValueId, std::vector<TapJob>> taps;

  [[nodiscard]] std::vector<ValueId> values() const {
    std::set<ValueId> all;
    for (const auto& [id, axis] : channel_axes) all.insert(id);
    for (const auto& [id, jobs] : taps) all.insert(id);
    return {all.begin(), all.end()};
  }
};

Measurements measurements_of(const Graph& graph, const std::vector<Layer>& layers) {
  Measurements wanted;
  for (const Layer& layer : layers) {
    const auto axis = static_cast<int>(layer.channel_axis);
    wanted.channel_axes[layer.output] = axis;
    const bool convolution = graph.node(layer.node).op_type.starts_with("Conv");
    if (convolution) {
      TapWindow window(graph, layer);
      if (!window.pointwise()) {
        wanted.taps[layer.input].push_back({layer.node, std::move(window)});
        continue;
      }
    }
    wanted.channel_axes[layer.input] = axis;
  }
  for (const NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    const TensorType* type = node.inputs.empty() ? nullptr : passes::known_type(graph, node.inputs[0]);
    if (passes::is_op(node, "Clip") && type != nullptr && type->shape.rank() > 1) wanted.channel_axes.emplace(node.inputs[0], 1);
  }
  return wanted;
}

class Collector {
 public:
  explicit Collector(const Measurements& wanted) : wanted_(wanted) {
    for (const auto& [id, axis] : wanted.channel_axes) channels_[id].axis = axis;
  }

  void observe(ValueId value, const exec::PhysicalView& view) {
    if (const auto at = channels_.find(value); at != channels_.end()) at->second.observe(view);
    const auto jobs = wanted_.taps.find(value);
    if (jobs == wanted_.taps.end()) return;
    for (const TapJob& job : jobs->second) {
      job.window.sum(view, scratch_);
      std::vector<quant::ExactSum>& sums = taps_[job.node];
      sums.resize(scratch_.size());
      for (size_t i = 0; i < scratch_.size(); ++i) {
        if (!std::isfinite(scratch_[i])) continue;
        sums[i].add(scratch_[i]);
      }
    }
  }

  void merge(const Collector& other) {
    for (const auto& [id, statistics] : other.channels_) channels_.at(id).merge(statistics);
    for (const auto& [node, sums] : other.taps_) {
      std::vector<quant::ExactSum>& mine = taps_[node];
      mine.resize(sums.size());
      for (size_t i = 0; i < sums.size(); ++i) mine[i].merge(sums[i]);
    }
  }

  [[nodiscard]] Statistics result(const std::vector<Layer>& layers, int64_t samples) const {
    Statistics statistics;
    for (const auto& [id, seen] : channels_) {
      ChannelMoments& moments = statistics.channels[id];
      for (size_t c = 0; c < seen.channels(); ++c) {
        moments.mean.push_back(seen.mean(c));
        moments.deviation.push_back(std::sqrt(seen.variance(c)));
        moments.lo.push_back(seen.range[c].lo);
        moments.hi.push_back(seen.range[c].hi);
      }
    }
    for (const Layer& layer : layers) {
      if (const ChannelMoments* input = statistics.find(layer.input); input != nullptr && !taps_.contains(layer.node)) {
        statistics.tap_means[layer.node] = input->mean;
      }
    }
    for (const auto& [id, jobs] : wanted_.taps) {
      for (const TapJob& job : jobs) {
        const auto sums = taps_.find(job.node);
        if (sums == taps_.end()) continue;
        for (const quant::ExactSum& sum : sums->second) {
          statistics.tap_means[job.node].push_back(sum.value() / static_cast<double>(samples * job.window.outputs()));
        }
      }
    }
    return statistics;
  }

 private:
  const Measurements& wanted_;
  std::map<ValueId, calib::ChannelStatistics> channels_;
  std::map<NodeId, std::vector<quant::ExactSum>> taps_;
  std::vector<double> scratch_;
};

struct Worker {
  exec::Session session;
  Collector collector;
};

}  // namespace

void ChannelMoments::divide(std::span<const double> factor) {
  for (size_t c = 0; c < factor.size(); ++c) {
    mean[c] /= factor[c];
    deviation[c] /= factor[c];
    lo[c] /= factor[c];
    hi[c] /= factor[c];
  }
}

Statistics collect_statistics(const Graph& graph, const data::SampleSource& source, int threads, Reporter& reporter) {
  const std::vector<Layer> layers = layers_of(graph);
  const Measurements wanted = measurements_of(graph, layers);
  const exec::Executor executor(graph, {.observed = wanted.values()});
  const int64_t count = source.size();
  std::vector<std::optional<Worker>> workers(static_cast<size_t>(std::max(threads, 1)));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(count, threads, [&](int64_t index, int at) {
    auto& worker = workers[static_cast<size_t>(at)];
    if (!worker) worker.emplace(Worker{executor.new_session(), Collector(wanted)});
    (void)worker->session.run(sample_inputs(graph, source, index), [&](ValueId value, const exec::PhysicalView& view) {
      worker->collector.observe(value, view);
    });
    const std::lock_guard lock(mutex);
    reporter.progress("statistics", ++done, count);
  });
  Collector total(wanted);
  for (const auto& worker : workers) {
    if (worker) total.merge(worker->collector);
  }
  return total.result(layers, count);
}

}  // namespace qtool::optimize
