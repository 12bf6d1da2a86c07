#include "gather.h"

#include <algorithm>

#include "row_sampler.h"

namespace qtool::rounding {

namespace {

constexpr int64_t kChunkFloats = int64_t{8} << 20;  // rows of one chunk of images, 32 MB

int64_t wanted_rows(const LayerSite& site, const AdaroundOptions& options) {
  return std::max(options.least_rows, options.rows_per_input * site.shape.inputs);
}

RowSampler sampler_of(const ir::Graph& reference, const LayerSite& site, size_t index, int64_t images, const AdaroundOptions& options) {
  const bool repairs = site.bias != ir::kNoValue && (options.method == Method::kDescent || options.method == Method::kNearest);
  return {reference, site, index, {.per_image = (wanted_rows(site, options) + images - 1) / images, .seed = options.seed, .repairs_skip = repairs}};
}

int64_t images_at_once(const LayerShape& shape, int64_t rows_per_image) {
  return std::max<int64_t>(1, kChunkFloats / (rows_per_image * (shape.row() + shape.channels())));
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
  const RowSampler sampler = sampler_of(reference, sites[index], index, images, options);
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
  const int64_t at_once = images_at_once(sites[index].shape, sampler.rows_per_image());
  chunk.resize(static_cast<size_t>(std::min(at_once, images)));
  lockstep.advance(
      index, at_once,
      [&](int64_t place, const ImageState& state) {
        if (const auto held = held_places.find(place); held != held_places.end()) result.held[held->second] = state;
        chunk[static_cast<size_t>(place - chunk_first)] = sampler.rows_of(order.images[static_cast<size_t>(place)], state);
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
