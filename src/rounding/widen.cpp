#include "widen.h"

#include <algorithm>
#include <cmath>

#include "qtool/calib/model_inputs.h"
#include "qtool/exec/executor.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

constexpr int kWideBits = 8;
constexpr double kLeastGain = 0.005;      // relative output error; below it a layer bears its bits
constexpr int64_t kMostImages = 16;

int64_t weight_count(const LayerSite& site) { return site.shape.channels() * site.shape.inputs; }

// Squared differences by channel of every output, one after the other.
using ChannelErrors = std::vector<double>;

void add_errors(const std::vector<Tensor>& outputs, const std::vector<Tensor>& wanted, ChannelErrors& errors) {
  size_t base = 0;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const std::vector<float> a = outputs[o].to_float(), b = wanted[o].to_float();
    const Shape& shape = outputs[o].shape();
    const int64_t channels = shape.rank() > 1 ? shape[1] : 1, inner = shape.rank() > 2 ? shape.span_count(2, shape.rank()) : 1;
    errors.resize(std::max(errors.size(), base + static_cast<size_t>(channels)));
    for (size_t i = 0; i < a.size(); ++i) {
      const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
      if (std::isfinite(difference)) errors[base + static_cast<size_t>(static_cast<int64_t>(i) / inner % channels)] += difference * difference;
    }
    base += static_cast<size_t>(channels);
  }
}

}  // namespace

std::vector<size_t> layers_to_widen(std::span<const LayerReport> layers, const std::vector<LayerSite>& sites, double share) {
  std::vector<size_t> candidates;
  int64_t total = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].bits >= kWideBits) continue;
    total += weight_count(sites[i]);
    if (layers[i].error - layers[i].error_wide >= kLeastGain) candidates.push_back(i);
  }
  const auto need = [&](size_t i) { return (layers[i].error - layers[i].error_wide) / static_cast<double>(weight_count(sites[i])); };
  std::stable_sort(candidates.begin(), candidates.end(), [&](size_t a, size_t b) { return need(a) > need(b); });
  double left = share * static_cast<double>(total);
  std::erase_if(candidates, [&](size_t i) {
    const auto count = static_cast<double>(weight_count(sites[i]));
    if (count > left) return true;
    left -= count;
    return false;
  });
  return candidates;
}

void widen(model::ModelState& state, const LayerSite& site) {
  quant::Encoding& encoding = state.encodings.at(site.weight).encoding;
  const quant::Symmetry symmetry = !encoding.is_symmetric ? quant::Symmetry::kAsymmetric
                                   : encoding.is_strict   ? quant::Symmetry::kStrictSymmetric
                                                          : quant::Symmetry::kSymmetric;
  const quant::QuantSpec spec{.bits = kWideBits, .symmetry = symmetry, .channel_axis = encoding.channel_axis};
  encoding = quant::encoding_from_ranges(spec, quant::tensor_ranges(*state.graph.constant(site.weight), encoding.channel_axis));
}

double output_gain_db(const ir::Graph& reference, const model::ModelState& first, const model::ModelState& second,
                      const data::SampleSource& source, const ImageOrder& order, int threads) {
  std::vector<int64_t> images;
  for (int64_t place = 0; place < source.size() && static_cast<int64_t>(images.size()) < kMostImages; ++place) {
    if (order.held_out(place)) images.push_back(order.images[static_cast<size_t>(place)]);
  }
  const exec::Executor real(reference, {}), one(first.graph, {.encodings = &first.encodings}), two(second.graph, {.encodings = &second.encodings});
  std::vector<ChannelErrors> ones(images.size()), twos(images.size());  // by image, so that sums do not depend on threads
  parallel_for(static_cast<int64_t>(images.size()), threads, [&](int64_t i, int) {
    const auto at = static_cast<size_t>(i);
    const std::vector<Tensor> inputs = calib::model_inputs(reference, source.load(images[at]));
    const std::vector<Tensor> wanted = real.new_session().run(inputs);
    add_errors(one.new_session().run(inputs), wanted, ones[at]);
    add_errors(two.new_session().run(inputs), wanted, twos[at]);
  });
  double sum = 0.0;
  int64_t channels = 0;
  for (size_t c = 0; !ones.empty() && c < ones[0].size(); ++c) {
    double a = 0.0, b = 0.0;
    for (size_t i = 0; i < ones.size(); ++i) a += ones[i][c], b += twos[i][c];
    if (!(a > 0.0) || !(b > 0.0)) continue;
    sum += 10.0 * std::log10(a / b);
    ++channels;
  }
  return channels > 0 ? sum / static_cast<double>(channels) : 0.0;
}

}  // namespace qtool::rounding
