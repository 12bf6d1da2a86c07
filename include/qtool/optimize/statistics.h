// What the stages know about the distribution of a model's float activations: from samples, or from folded batch norms.
//
// One pass over the samples serves every stage: equalization divides channels by known factors, and so these numbers.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "qtool/optimize/layer.h"
#include "qtool/data/sample_source.h"
#include "qtool/support/reporter.h"

namespace qtool::optimize {

// Per channel of a value, over samples and positions.
struct ChannelMoments {
  std::vector<double> mean, deviation;
  std::vector<double> lo, hi;  // observed bounds; mean -+ 6 deviations, cut by activations, where nothing was observed
  // Channel c is divided by factor[c] > 0.
  void divide(std::span<const double> factor);
};

struct Statistics {
  std::map<ir::ValueId, ChannelMoments> channels;  // outputs of layers and inputs of bounded activations, before these
  // [input channel][tap] of a layer: mean over output positions of the input under that tap, zero where it is padding.
  // So E[W x] of output o is the sum of W[o, i, t] * tap_means[i, t], borders and strides included.
  std::map<ir::NodeId, std::vector<double>> tap_means;

  [[nodiscard]] const ChannelMoments* find(ir::ValueId id) const {
    const auto at = channels.find(id);
    return at == channels.end() ? nullptr : &at->second;
  }
};

// Does not depend on the order of samples or the number of threads, bit for bit.
[[nodiscard]] Statistics collect_statistics(const ir::Graph& graph, const data::SampleSource& source, int threads, Reporter& reporter);

}  // namespace qtool::optimize
