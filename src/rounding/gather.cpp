#include "gather.h"

#include <algorithm>

#include "layer_product.h"
#include "patch_rows.h"
#include "sampling.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kChunkFloats = int64_t{8} << 20;  // rows of one chunk of images, 32 MB

int64_t wanted_rows(const LayerSite& site, const AdaroundOptions& options) {
  return std::max(options.least_rows, options.rows_per_input * site.shape.inputs);
}

class Gatherer {
 public:
  Gatherer(const ir::Graph& reference, const LayerSite& site, size_t index, int64_t images, const AdaroundOptions& options)
      : site_(site), patches_(reference, site), layer_(index), seed_(options.seed),
        repairs_skip_(site.bias != ir::kNoValue && (options.method == Method::kDescent || options.method == Method::kNearest)),
        weights_(weight_matrix(site, *reference.constant(site.weight))) {
    if (site.bias != ir::kNoValue) bias_ = reference.constant(site.bias)->to_float();
    rows_per_image_ = std::min(patches_.pixels(), (wanted_rows(site, options) + images - 1) / images);
  }

  [[nodiscard]] int64_t images_at_once() const {
    return std::max<int64_t>(1, kChunkFloats / (rows_per_image_ * (site_.shape.row() + site_.shape.channels())));
  }

  // Quantized inputs and float targets of the sampled pixels.
  [[nodiscard]] Rows rows_of(int64_t image, const ImageState& state) const {
    const std::vector<int64_t> pixels = sample_indices(seed_, layer_, static_cast<uint64_t>(image), patches_.pixels(), rows_per_image_);
    Rows rows{.count = static_cast<int64_t>(pixels.size())};
    std::vector<float> real(static_cast<size_t>(rows.count * site_.shape.row()));
    patches_.gather_inputs(state.real.at(site_.input).data<float>(), pixels, real.data());
    rows.t.resize(static_cast<size_t>(rows.count * site_.shape.channels()));
    layer_product(site_.shape, weights_, bias_, real.data(), rows.count, rows.t.data());
    rows.x = std::move(real);
    patches_.gather_inputs(state.quantized.at(site_.input).data<float>(), pixels, rows.x.data());
    // The layer also repairs what the other branch of the Add has lost, as far as its inputs tell.
    if (repairs_skip_ && state.real.contains(site_.skip)) {
      patches_.add_outputs(state.real.at(site_.skip).data<float>(), pixels, 1.0f, rows.t.data());
      patches_.add_outputs(state.quantized.at(site_.skip).data<float>(), pixels, -1.0f, rows.t.data());
    }
    return rows;
  }

 private:
  const LayerSite& site_;
  PatchRows patches_;
  uint64_t layer_, seed_;
  bool repairs_skip_;
  std::vector<float> weights_, bias_;
  int64_t rows_per_image_ = 0;
};

void append(Rows& all, const Rows& more) {
  all.count += more.count;
  all.x.insert(all.x.end(), more.x.begin(), more.x.end());
  all.t.insert(all.t.end(), more.t.begin(), more.t.end());
}

}  // namespace

std::vector<WalkStop> walk_stops(const ir::Graph& reference, const std::vector<LayerSite>& sites, const AdaroundOptions& options) {
  std::vector<WalkStop> stops;
  for (const LayerSite& site : sites) stops.push_back({.pixels = PatchRows(reference, site).pixels(), .rows = wanted_rows(site, options)});
  return stops;
}

GatheredLayer gather_layer(Lockstep& lockstep, const ir::Graph& reference, const std::vector<LayerSite>& sites, size_t index,
                           const ImageOrder& order, const AdaroundOptions& options, const GatherOptions& wanted) {
  const int64_t images = lockstep.visited(index);
  const Gatherer gatherer(reference, sites[index], index, images, options);
  const bool any_held = images >= 4;
  GatheredLayer result{.data = {.fit = Moments(sites[index].shape), .judged = {}, .fit_rows = {}}, .held = {}};
  LayerData& data = result.data;
  std::map<int64_t, size_t> held_places;
  for (int64_t place = 0; place < images && std::ssize(held_places) < wanted.held_images; ++place) {
    if (order.held_out(place)) held_places.emplace(place, held_places.size());
  }
  result.held.resize(held_places.size());
  std::vector<Rows> chunk;
  int64_t chunk_first = 0;
  const int64_t at_once = gatherer.images_at_once();
  chunk.resize(static_cast<size_t>(std::min(at_once, images)));
  lockstep.advance(
      index, at_once,
      [&](int64_t place, const ImageState& state) {
        if (const auto held = held_places.find(place); held != held_places.end()) result.held[held->second] = state;
        chunk[static_cast<size_t>(place - chunk_first)] = gatherer.rows_of(order.images[static_cast<size_t>(place)], state);
      },
      [&](int64_t first, int64_t end) {
        Rows fit;
        for (int64_t place = first; place < end; ++place) {
          const Rows& rows = chunk[static_cast<size_t>(place - first)];
          const bool held = order.held_out(place);
          if (held || !any_held) append(data.judged, rows);  // with a handful of images judging uses what the fit has seen
          if (!held) append(fit, rows);
        }
        data.fit.add(fit, options.threads);
        if (wanted.keep_fit_rows) append(data.fit_rows, fit);
        chunk_first = end;
      });
  return result;
}

}  // namespace qtool::rounding
