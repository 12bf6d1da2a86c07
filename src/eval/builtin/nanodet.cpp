// NanoDet-Plus and other GFL heads: [1, N, classes + 4 * bins], class scores 0..1 (or logits), then
// the distributions of the four distances from the cell's corner, in units of the stride. Strides
// 8, 16, 32 and, in NanoDet-Plus, 64.
// SOURCE Li et al. 2020, "Generalized Focal Loss"; post-processing of the NanoDet repository
#include <algorithm>
#include <array>

#include "../head_maps.h"
#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

constexpr std::array<int64_t, 4> kStrides{8, 16, 32, 64};
constexpr int64_t kNanodetBins = 8;

int64_t cells_of(data::Size input, int64_t stride) {
  return ((input.width + stride - 1) / stride) * ((input.height + stride - 1) / stride);
}

// Number of strides whose cells add up to the rows; 0 when they do not.
size_t level_count(const DetectorSignature& signature, const YoloOutput& output) {
  int64_t cells = 0;
  for (size_t i = 0; i < kStrides.size(); ++i) {
    cells += cells_of(signature.input, kStrides[i]);
    if (i >= 2 && cells == output.rows) return i + 1;
  }
  return 0;
}

// Without known categories the 8 bins of NanoDet are assumed.
int64_t class_count(const DetectorSignature& signature) {
  const auto output = find_yolo_output(signature);
  if (!output || level_count(signature, *output) == 0) return 0;
  const int64_t classes = signature.category_count.value_or(kCocoClasses);
  if (distribution_bins(output->columns, classes) > 0) return classes;
  return std::max<int64_t>(output->columns - 4 * kNanodetBins, 0);
}

bool matches(const DetectorSignature& signature) {
  const auto output = find_yolo_output(signature);
  if (!output || level_count(signature, *output) == 0) return false;
  return distribution_bins(output->columns, signature.category_count.value_or(kCocoClasses)) > 0;
}

Proposals decode(const DecodeRequest& request) {
  const YoloOutput output = *find_yolo_output(request.signature);
  const size_t levels = level_count(request.signature, output);
  Proposals proposals;
  proposals.class_count = class_count(request.signature);
  const int64_t bins = (output.columns - proposals.class_count) / 4;
  const float* row = request.outputs[output.index].data<float>().data();
  for (size_t level = 0; level < levels; ++level) {
    const auto stride = static_cast<float>(kStrides[level]);
    const int64_t across = (request.signature.input.width + kStrides[level] - 1) / kStrides[level];
    for (int64_t cell = 0; cell < cells_of(request.signature.input, kStrides[level]); ++cell, row += output.columns) {
      const float cx = static_cast<float>(cell % across) * stride, cy = static_cast<float>(cell / across) * stride;
      float side[4];
      for (int64_t k = 0; k < 4; ++k) side[k] = stride * dfl_distance(row + proposals.class_count + k * bins, bins, 1);
      proposals.boxes.push_back({cx - side[0], cy - side[1], cx + side[2], cy + side[3]});
      proposals.scores.insert(proposals.scores.end(), row, row + proposals.class_count);
    }
  }
  if (!are_probabilities(proposals.scores)) {
    for (float& score : proposals.scores) score = sigmoid(score);
  }
  return proposals;
}

}  // namespace

void register_nanodet(Registry& registry) {
  registry.add({.name = "nanodet",
                .summary = "NanoDet, GFL: [1, N, classes + 4*bins], class scores and box distributions",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
