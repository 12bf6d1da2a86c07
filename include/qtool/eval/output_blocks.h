// Parts of model outputs that deserve a yardstick of their own: one figure over boxes (0..640) and scores (0..1) hides dead
// scores.
#pragma once

#include <string>
#include <vector>

#include "qtool/eval/signal.h"
#include "qtool/tensor/tensor.h"

namespace qtool::eval {

// Elements of an output that count together: rows of one axis whose magnitudes are alike.
struct OutputBlock {
  std::string name;         // "output", "output[large rows]" or "output[small rows]"
  size_t output = 0;
  int axis = -1;            // -1: the whole tensor
  std::vector<bool> rows;   // of the axis: which belong to the block
};

// From float32 outputs of some samples, [sample][output]; names by output. An output is split along the first axis whose
// rows differ in peak magnitude by more than a factor of 20.
[[nodiscard]] std::vector<OutputBlock> find_output_blocks(const std::vector<std::string>& names,
                                                          const std::vector<std::vector<Tensor>>& samples);

// Shapes must be equal; otherwise (a number of detections that depends on data) the sums are empty.
[[nodiscard]] SignalSums block_sums(const OutputBlock& block, const Tensor& reference, const Tensor& test);

}  // namespace qtool::eval
