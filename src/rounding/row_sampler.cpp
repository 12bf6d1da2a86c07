#include "row_sampler.h"

#include <algorithm>

#include "layer_product.h"
#include "sampling.h"

namespace qtool::rounding {

RowSampler::RowSampler(const ir::Graph& reference, const LayerSite& site, uint64_t layer, const SampledRows& wanted)
    : site_(site), patches_(reference, site), layer_(layer), seed_(wanted.seed), repairs_skip_(wanted.repairs_skip),
      weights_(weight_matrix(site, *reference.constant(site.weight))), rows_per_image_(std::min(patches_.pixels(), wanted.per_image)) {
  if (site.bias != ir::kNoValue) bias_ = reference.constant(site.bias)->to_float();
}

Rows RowSampler::rows_of(int64_t image, const ImageState& state) const {
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

void append(Rows& all, const Rows& more) {
  all.count += more.count;
  all.x.insert(all.x.end(), more.x.begin(), more.x.end());
  all.t.insert(all.t.end(), more.t.begin(), more.t.end());
}

}  // namespace qtool::rounding
