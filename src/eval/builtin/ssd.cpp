// SSD with decoding in the graph: one output of boxes [1, N, 4] as x1, y1, x2, y2 and one of scores
// [1, N, classes], in any order; extra dimensions of 1 are passed over. Coordinates are input
// pixels, or parts of the input's size when none of an image's boxes reaches far beyond 1.
#include <algorithm>
#include <cmath>
#include <optional>

#include "qtool/eval/registry.h"
#include "qtool/support/error.h"

namespace qtool::eval {

namespace {

// Relative boxes may stick out of the picture a little; boxes in pixels reach far beyond this.
constexpr float kMostRelative = 4.0f;

// Dimensions without those of size 1, the last one kept: one class is a column too.
std::vector<int64_t> squeezed(const Shape& shape) {
  std::vector<int64_t> dims;
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] != 1 || i + 1 == shape.rank()) dims.push_back(shape[i]);
  }
  return dims;
}

struct SsdOutputs {
  size_t boxes = 0, scores = 0;
  int64_t rows = 0, classes = 0;
};

std::optional<SsdOutputs> pair_up(const DetectorSignature& signature, size_t boxes, size_t scores) {
  const auto b = squeezed(signature.outputs[boxes].shape);
  const auto s = squeezed(signature.outputs[scores].shape);
  if (b.size() != 2 || s.size() != 2 || b[1] != 4 || b[0] != s[0]) return std::nullopt;
  return SsdOutputs{boxes, scores, b[0], s[1]};
}

std::optional<SsdOutputs> find_outputs(const DetectorSignature& signature) {
  if (signature.outputs.size() != 2) return std::nullopt;
  const auto forward = pair_up(signature, 0, 1), backward = pair_up(signature, 1, 0);
  // Four classes look like boxes; then the names decide.
  const bool swapped = signature.outputs[1].name.find("box") != std::string::npos;
  if (forward && backward) return swapped ? backward : forward;
  return forward ? forward : backward;
}

int64_t class_count(const DetectorSignature& signature) {
  const auto found = find_outputs(signature);
  return found ? found->classes : 0;
}

bool matches(const DetectorSignature& signature) { return class_count(signature) > 0; }

Proposals decode(const DecodeRequest& request) {
  const SsdOutputs found = *find_outputs(request.signature);
  const std::span<const float> boxes = request.outputs[found.boxes].data<float>();
  const std::span<const float> scores = request.outputs[found.scores].data<float>();
  const bool relative = std::all_of(boxes.begin(), boxes.end(),
                                    [](float v) { return !(std::fabs(v) > kMostRelative); });
  const auto [width, height] = request.signature.input;
  const float scale_x = relative ? static_cast<float>(width) : 1.0f;
  const float scale_y = relative ? static_cast<float>(height) : 1.0f;
  Proposals proposals;
  proposals.class_count = found.classes;
  proposals.scores.assign(scores.begin(), scores.end());
  for (size_t i = 0; i < boxes.size(); i += 4) {
    proposals.boxes.push_back({boxes[i] * scale_x, boxes[i + 1] * scale_y, boxes[i + 2] * scale_x,
                               boxes[i + 3] * scale_y});
  }
  return proposals;
}

}  // namespace

void register_ssd(Registry& registry) {
  registry.add({.name = "ssd",
                .summary = "boxes [1, N, 4] as x1 y1 x2 y2 and scores [1, N, classes]",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
  registry.add({.name = "yolo-nas",
                .summary = "as ssd: boxes [1, N, 4] and scores [1, N, classes]; never chosen by itself",
                .class_count = class_count,
                .matches = [](const DetectorSignature&) { return false; },
                .decode = decode});
}

}  // namespace qtool::eval
