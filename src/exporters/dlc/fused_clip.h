// ReLU-like ops that the backend computes inside the op before them.
#pragma once

#include <string>
#include <string_view>

namespace qtool::exporters::dlc {

// Op types of a DLC that take a following ReLU or ReluMinMax in, ignoring the encoding between the two.
[[nodiscard]] inline bool absorbs_clip(std::string_view type) {
  return type == "Conv2d" || type == "DepthWiseConv2d" || type == "TransposeConv2d" || type == "FullyConnected" ||
         type == "MatMul" || type == "Eltwise_Binary" || type == "Batchnorm";
}

}  // namespace qtool::exporters::dlc
