#include "sensitivity.h"

#include <algorithm>
#include <map>

#include "adjoint.h"
#include "blocks.h"
#include "probes.h"
#include "qtool/calib/model_inputs.h"
#include "qtool/exec/executor.h"
#include "qtool/exec/matrix_product.h"
#include "qtool/support/parallel.h"

namespace qtool::rounding {

namespace {

using ir::ValueId;

constexpr int64_t kMostChannels = 2048;  // 16 MB a layer, and all layers are in memory
constexpr size_t kMostImages = 64;
constexpr int64_t kImagesAtOnce = 4;  // fixed, so that sums do not depend on threads

// g += sum over pixels of v v'; v: [batch][channels][pixels], or rows of channels for a matrix.
void add_products(const LayerSite& site, const Tensor& v, std::vector<float>& g) {
  const int64_t c = site.shape.channels();
  const float* data = v.data<float>().data();
  if (site.kind == LayerKind::kMatrix) {
    const int64_t rows = v.element_count() / c;
    exec::matrix_product(c, c, rows, {data, c, exec::Transposed::kYes}, {data, c}, 1.0f, g.data(), c);
    return;
  }
  const int64_t batch = v.shape()[0], pixels = v.element_count() / batch / c;
  for (int64_t b = 0; b < batch; ++b) {
    const float* image = data + b * c * pixels;
    exec::matrix_product(c, c, pixels, {image, pixels}, {image, pixels, exec::Transposed::kYes}, 1.0f, g.data(), c);
  }
}

bool can_couple(const LayerSite& site) { return site.shape.channels() > 1 && site.shape.channels() <= kMostChannels && (site.shape.groups == 1 || site.shape.outputs == 1); }

// The nearest end behind each value in topological order.
std::map<ValueId, ValueId> ends_of(const ir::Graph& graph, const std::vector<ValueId>& ends) {
  std::map<ValueId, ValueId> result;
  std::vector<ir::NodeId> order = graph.topological_order();
  ValueId end = ir::kNoValue;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    for (const ValueId output : graph.node(*id).outputs) {
      if (std::find(ends.begin(), ends.end(), output) != ends.end()) end = output;
      result[output] = end;
    }
  }
  return result;
}

class Estimate {
 public:
  Estimate(const ir::Graph& reference, const std::vector<LayerSite>& sites, std::vector<ValueId> ends)
      : reference_(reference), sites_(sites), ends_(std::move(ends)), layers_(sites.size()) {
    const std::map<ValueId, ValueId> behind = ends_of(reference, ends_);
    std::vector<ValueId> wanted;
    for (const LayerSite& site : sites) {
      if (can_couple(site) && behind.at(site.output) != site.output) wanted.push_back(site.output);
    }
    adjoint_ = make_adjoint(reference, ends_, wanted);
    for (size_t i = 0; i < sites.size(); ++i) {
      const auto found = adjoint_.adjoints.find(sites[i].output);
      const auto output = found == adjoint_.adjoints.end() ? adjoint_.graph.outputs.end()
                                                           : std::find(adjoint_.graph.outputs.begin(), adjoint_.graph.outputs.end(), found->second);
      if (output == adjoint_.graph.outputs.end() || std::find(adjoint_.probes.begin(), adjoint_.probes.end(), *output) != adjoint_.probes.end()) continue;
      const auto channels = static_cast<size_t>(sites[i].shape.channels());
      layers_[i] = {.end = behind.at(sites[i].output), .coupling = std::vector<float>(channels * channels, 0.0f)};
      slots_.emplace_back(i, static_cast<size_t>(output - adjoint_.graph.outputs.begin()));
    }
  }

  std::vector<BlockLayer> run(const data::SampleSource& source, const std::vector<int64_t>& images, const AdaroundOptions& options) {
    if (slots_.empty()) return std::move(layers_);
    const exec::Executor executor(adjoint_.graph, {});
    const auto total = static_cast<int64_t>(images.size());
    for (int64_t first = 0; first < total; first += kImagesAtOnce) {
      const int64_t count = std::min(kImagesAtOnce, total - first);
      std::vector<std::vector<Tensor>> outputs(static_cast<size_t>(count));
      parallel_for(count, options.threads, [&](int64_t i, int) {
        outputs[static_cast<size_t>(i)] = executor.new_session().run(inputs_of(source, images[static_cast<size_t>(first + i)], options.seed));
      });
      parallel_for(static_cast<int64_t>(slots_.size()), options.threads, [&](int64_t s, int) {
        const auto [site, slot] = slots_[static_cast<size_t>(s)];
        for (const std::vector<Tensor>& image : outputs) add_products(sites_[site], image[slot], layers_[site].coupling);
      });
    }
    return std::move(layers_);
  }

 private:
  std::vector<Tensor> inputs_of(const data::SampleSource& source, int64_t image, uint64_t seed) const {
    std::vector<Tensor> inputs = calib::model_inputs(reference_, source.load(image));
    for (size_t p = 0; p < ends_.size(); ++p) inputs.push_back(random_signs(reference_.type_of(ends_[p]), seed, static_cast<uint64_t>(image), p));
    return inputs;
  }

  const ir::Graph& reference_;
  const std::vector<LayerSite>& sites_;
  std::vector<ValueId> ends_;
  std::vector<BlockLayer> layers_;
  AdjointGraph adjoint_;
  std::vector<std::pair<size_t, size_t>> slots_;  // site, output of the adjoint graph
};

}  // namespace

std::vector<BlockLayer> block_layers(const ir::Graph& reference, const std::vector<LayerSite>& sites, const data::SampleSource& source,
                                     const ImageOrder& order, const AdaroundOptions& options) {
  std::vector<int64_t> images;
  for (int64_t place = 0; place < source.size() && images.size() < kMostImages; ++place) {
    if (!order.held_out(place)) images.push_back(order.images[static_cast<size_t>(place)]);
  }
  return Estimate(reference, sites, find_block_ends(reference)).run(source, images, options);
}

}  // namespace qtool::rounding
