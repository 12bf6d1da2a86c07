#include "settle.h"

#include <algorithm>

#include "checkpoint.h"
#include "layer_product.h"
#include "row_sampler.h"
#include "store_layer.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kRows = 4096, kMostImages = 64;  // as good as twice as many of both

// Outputs of one image at sampled pixels before the activation: simulated, and of the float model.
struct Outputs {
  std::vector<float> simulated, real;
};

class Settling {
 public:
  Settling(const ir::Graph& reference, model::ModelState& state, const std::vector<LayerSite>& sites, const ImageOrder& order, Lockstep& lockstep,
           const AdaroundOptions& options)
      : reference_(reference), state_(state), sites_(sites), order_(order), lockstep_(lockstep), options_(options) {}

  // Whether the bias of layer `index` has moved.
  bool settle(size_t index) {
    const LayerSite& site = sites_[index];
    if (site.bias == ir::kNoValue) return false;
    const std::vector<Outputs> images = outputs_of(index);
    const std::vector<float> shift = mean_loss(images, site.shape.channels());
    if (!(judged_error(site, images, shift) < judged_error(site, images, {}))) return false;
    std::vector<float> bias = state_.graph.constant(site.bias)->to_float();
    for (size_t c = 0; c < bias.size(); ++c) bias[c] += shift[c];
    store_bias(state_, site, bias);
    return true;
  }

 private:
  std::vector<Outputs> outputs_of(size_t index) {
    const LayerSite& site = sites_[index];
    const int64_t count = lockstep_.visited(index);
    const RowSampler sampler(reference_, site, index, {.per_image = (kRows + count - 1) / count, .seed = options_.seed, .repairs_skip = true});
    const std::vector<float> weights = weight_matrix(site, *state_.graph.constant(site.weight)), bias = state_.graph.constant(site.bias)->to_float();
    std::vector<Outputs> images(static_cast<size_t>(count));
    lockstep_.advance(
        index, count,
        [&](int64_t place, const ImageState& state) {
          Rows rows = sampler.rows_of(order_.images[static_cast<size_t>(place)], state);
          Outputs& image = images[static_cast<size_t>(place)];
          image.simulated.resize(rows.t.size());
          layer_product(site.shape, weights, bias, rows.x.data(), rows.count, image.simulated.data());
          image.real = std::move(rows.t);
        },
        [](int64_t, int64_t) {});
    return images;
  }

  // The mean over images, drawn to zero (James and Stein) as far as images disagree about it: a mean of noise would be one more error.
  [[nodiscard]] std::vector<float> mean_loss(const std::vector<Outputs>& images, int64_t channels) const {
    std::vector<double> sums(static_cast<size_t>(channels), 0.0), squares(sums.size(), 0.0);
    double count = 0.0;
    for (size_t place = 0; place < images.size(); ++place) {
      if (order_.held_out(static_cast<int64_t>(place))) continue;
      const std::vector<double> mean = image_loss(images[place], sums.size());
      for (size_t c = 0; c < sums.size(); ++c) sums[c] += mean[c], squares[c] += mean[c] * mean[c];
      count += 1.0;
    }
    std::vector<float> shift;
    for (size_t c = 0; c < sums.size(); ++c) {
      const double mean = sums[c] / count, variance = std::max(0.0, squares[c] / count - mean * mean) / std::max(1.0, count - 1.0);
      const double kept = mean * mean > 0.0 ? std::max(0.0, 1.0 - variance / (mean * mean)) : 0.0;
      shift.push_back(static_cast<float>(kept * mean));
    }
    return shift;
  }

  static std::vector<double> image_loss(const Outputs& image, size_t channels) {
    std::vector<double> loss(channels, 0.0);
    for (size_t i = 0; i < image.real.size(); ++i) loss[i % channels] += static_cast<double>(image.real[i]) - static_cast<double>(image.simulated[i]);
    for (double& value : loss) value *= static_cast<double>(channels) / static_cast<double>(std::max<size_t>(image.real.size(), 1));
    return loss;
  }

  // Squared error behind the activation; `shift` may be empty (zero).
  [[nodiscard]] double judged_error(const LayerSite& site, const std::vector<Outputs>& images, const std::vector<float>& shift) const {
    double total = 0.0;
    for (size_t place = 0; place < images.size(); ++place) {
      if (!order_.held_out(static_cast<int64_t>(place))) continue;
      std::vector<float> simulated = images[place].simulated, real = images[place].real;
      for (size_t i = 0; i < simulated.size() && !shift.empty(); ++i) simulated[i] += shift[i % shift.size()];
      activate(site.activation, simulated);
      activate(site.activation, real);
      for (size_t i = 0; i < real.size(); ++i) {
        const double difference = static_cast<double>(simulated[i]) - static_cast<double>(real[i]);
        total += difference * difference;
      }
    }
    return total;
  }

  const ir::Graph& reference_;
  model::ModelState& state_;
  const std::vector<LayerSite>& sites_;
  const ImageOrder& order_;
  Lockstep& lockstep_;
  const AdaroundOptions& options_;
};

std::vector<WalkStop> stops_of(const ir::Graph& reference, const std::vector<LayerSite>& sites) {
  std::vector<WalkStop> stops;
  for (const LayerSite& site : sites) stops.push_back({.pixels = PatchRows(reference, site).pixels(), .rows = kRows});
  return stops;
}

}  // namespace

SettledBiases settle_biases(const ir::Graph& reference, const model::ModelState& rounded, const std::vector<LayerSite>& sites,
                            const data::SampleSource& source, const ImageOrder& order, const AdaroundOptions& options, Reporter& reporter) {
  SettledBiases settled{.state = rounded};
  Lockstep lockstep(reference, settled.state, sites, source, {.threads = options.threads,
                                                              .frontier_bytes = options.frontier_bytes,
                                                              .image_order = order.images,
                                                              .stops = stops_of(reference, sites),
                                                              .most_images = kMostImages,
                                                              .simulate_activations = true});
  Settling settling(reference, settled.state, sites, order, lockstep, options);
  for (size_t i = 0; i < sites.size(); ++i) {
    stop_if_interrupted(options.checkpoint, sites.size(), sites.size());
    settled.layers += settling.settle(i) ? 1 : 0;
    reporter.progress("biases", static_cast<int64_t>(i) + 1, static_cast<int64_t>(sites.size()));
  }
  return settled;
}

}  // namespace qtool::rounding
