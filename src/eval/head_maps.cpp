#include "head_maps.h"

#include <algorithm>

namespace qtool::eval {

namespace {

bool is_stride(int64_t side, int64_t cells, int64_t& stride) {
  for (stride = 4; stride <= 128; stride *= 2) {
    if ((side + stride - 1) / stride == cells) return true;
  }
  return false;
}

}  // namespace

std::vector<HeadMap> find_head_maps(const DetectorSignature& signature) {
  std::vector<HeadMap> maps;
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const Shape& shape = signature.outputs[i].shape;
    int64_t down = 0, across = 0;
    if (shape.rank() != 4 || shape[0] != 1 || !is_stride(signature.input.height, shape[2], down) ||
        !is_stride(signature.input.width, shape[3], across) || down != across) {
      return {};
    }
    maps.push_back({i, shape[1], shape[2], shape[3], static_cast<float>(down)});
  }
  std::stable_sort(maps.begin(), maps.end(),
                   [](const HeadMap& a, const HeadMap& b) { return a.stride < b.stride; });
  return maps;
}

bool are_probabilities(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return v >= 0.0f && v <= 1.0f; });
}

float dfl_distance(const float* logits, int64_t bins, int64_t step) {
  float largest = logits[0];
  for (int64_t k = 1; k < bins; ++k) largest = std::max(largest, logits[k * step]);
  float sum = 0.0f, weighted = 0.0f;
  for (int64_t k = 0; k < bins; ++k) {
    const float e = std::exp(logits[k * step] - largest);
    sum += e;
    weighted += e * static_cast<float>(k);
  }
  return weighted / sum;
}

}  // namespace qtool::eval
