// Random output pixels of a layer: what the quantized model reads there and what the float model gives.
#pragma once

#include "lockstep.h"
#include "moments.h"
#include "patch_rows.h"

namespace qtool::rounding {

struct SampledRows {
  int64_t per_image = 0;       // at most; no more than there are output pixels
  uint64_t seed = 0;
  bool repairs_skip = false;   // targets also hold what the other branch of the Add behind the layer has lost
};

class RowSampler {
 public:
  // `layer` tells the pixels of one layer from those of another. References must outlive this object.
  RowSampler(const ir::Graph& reference, const LayerSite& site, uint64_t layer, const SampledRows& wanted);

  [[nodiscard]] int64_t rows_per_image() const { return rows_per_image_; }
  [[nodiscard]] Rows rows_of(int64_t image, const ImageState& state) const;

 private:
  const LayerSite& site_;
  PatchRows patches_;
  uint64_t layer_, seed_;
  bool repairs_skip_;
  std::vector<float> weights_, bias_;
  int64_t rows_per_image_;
};

void append(Rows& all, const Rows& more);

}  // namespace qtool::rounding
