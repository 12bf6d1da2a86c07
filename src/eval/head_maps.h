// What decoders of undecoded heads share: one feature map a pyramid level, and the
// distribution-focal (DFL) box branch.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "qtool/eval/decoder.h"

namespace qtool::eval {

// Output [1, channels, height, width]; stride = input size / map size, a power of two.
struct HeadMap {
  size_t output = 0;
  int64_t channels = 0, height = 0, width = 0;
  float stride = 0;
};

// All outputs of rank 4 and batch 1, finest first, equal sizes in graph order. Empty unless every
// output is such a map of the input.
[[nodiscard]] std::vector<HeadMap> find_head_maps(const DetectorSignature& signature);

[[nodiscard]] inline float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// Already in 0..1: graphs differ in whether the sigmoid is inside. Logits of a whole image always
// leave that interval, because most cells are background.
[[nodiscard]] bool are_probabilities(std::span<const float> values);

// Expectation of a side's distance in units of the stride: sum k * softmax(logits)_k over `bins`
// values that lie `step` apart.
// SOURCE Li et al. 2020, "Generalized Focal Loss", equation 5
[[nodiscard]] float dfl_distance(const float* logits, int64_t bins, int64_t step);

}  // namespace qtool::eval
