// What a layer's candidate weights do at the end of its block, on images kept aside.
#pragma once

#include <span>
#include <vector>

#include "lockstep.h"
#include "problem.h"

namespace qtool::rounding {

class BlockJudge {
 public:
  // `nodes`: from the layer to the producer of `end`, in topological order, of the float model; layers behind this one keep
  // their float weights. `images`: values alive at the layer.
  BlockJudge(const ir::Graph& reference, const LayerSite& site, std::span<const ir::NodeId> nodes, ir::ValueId end, std::vector<ImageState> images, int threads);
  // Sum of squared differences at the block's end over that of the float values from their mean.
  [[nodiscard]] double error(std::span<const float> weights, std::span<const float> bias) const;

 private:
  const ir::Graph& reference_;
  const LayerSite& site_;
  std::vector<ir::NodeId> nodes_;
  ir::ValueId end_;
  std::vector<ImageState> images_;
  int threads_;
  std::vector<Tensor> wanted_;
  double power_ = 0.0;
};

}  // namespace qtool::rounding
