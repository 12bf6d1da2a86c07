// YOLOv5 and YOLOv7 cut before their decoding: for each stride a map [1, 3*(5+classes), H, W] or
// [1, 3, H, W, 5+classes] of logits. The two families differ only in their anchors, which the file
// does not hold: YOLOv5's are assumed, `yolov7-raw` takes the others.
// FORMULA  centre = (2 sigmoid(xy) - 0.5 + cell) * stride, size = (2 sigmoid(wh))^2 * anchor
#include <algorithm>
#include <array>
#include <optional>

#include "../head_maps.h"
#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

constexpr int64_t kAnchors = 3, kLevels = 3;
using AnchorTable = std::array<std::array<float, 2 * kAnchors>, kLevels>;  // pixels, fine level first
constexpr AnchorTable kYolov5Anchors{{{10, 13, 16, 30, 33, 23}, {30, 61, 62, 45, 59, 119}, {116, 90, 156, 198, 373, 326}}};
constexpr AnchorTable kYolov7Anchors{{{12, 16, 19, 36, 40, 28}, {36, 75, 76, 55, 72, 146}, {142, 110, 192, 243, 459, 401}}};

// Where field f of anchor a at a cell lies: a * anchor_step + f * field_step + cell * cell_step.
struct Level {
  HeadMap map;
  int64_t fields = 0, anchor_step = 0, field_step = 0, cell_step = 0;
};

std::optional<Level> level_of(const DetectorOutput& output, size_t index, data::Size input) {
  const Shape& shape = output.shape;
  if (shape.rank() == 4) {
    const auto maps = find_head_maps({{output}, input, {}});
    if (maps.empty() || maps[0].channels % kAnchors != 0) return std::nullopt;
    HeadMap map = maps[0];
    map.output = index;
    const int64_t cells = map.height * map.width, fields = map.channels / kAnchors;
    return Level{map, fields, fields * cells, cells, 1};
  }
  if (shape.rank() != 5 || shape[1] != kAnchors) return std::nullopt;
  const auto maps = find_head_maps({{{output.name, Shape{shape[0], shape[4], shape[2], shape[3]}}}, input, {}});
  if (maps.empty()) return std::nullopt;
  HeadMap map = maps[0];
  map.output = index;
  return Level{map, shape[4], map.height * map.width * shape[4], 1, shape[4]};
}

std::vector<Level> find_levels(const DetectorSignature& signature) {
  std::vector<Level> levels;
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const auto level = level_of(signature.outputs[i], i, signature.input);
    if (!level) return {};
    levels.push_back(*level);
  }
  if (levels.size() != kLevels) return {};
  std::sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) { return a.map.stride < b.map.stride; });
  for (size_t i = 0; i < levels.size(); ++i) {
    const bool usual = levels[i].map.stride == static_cast<float>(kYoloStrides[i]);
    if (!usual || levels[i].fields != levels[0].fields) return {};
  }
  return levels;
}

int64_t class_count(const DetectorSignature& signature) {
  const std::vector<Level> levels = find_levels(signature);
  return levels.empty() || levels[0].fields <= 5 ? 0 : levels[0].fields - 5;
}

bool matches(const DetectorSignature& signature) {
  const int64_t classes = class_count(signature);
  return classes > 0 && (!signature.category_count || classes == *signature.category_count);
}

bool never(const DetectorSignature&) { return false; }

void decode_level(const Level& level, const std::array<float, 2 * kAnchors>& anchors, const DecodeRequest& request,
                  Proposals& proposals) {
  const float* values = request.outputs[level.map.output].data<float>().data();
  const auto confidence = static_cast<float>(request.confidence);
  const int64_t cells = level.map.height * level.map.width;
  for (int64_t a = 0; a < kAnchors; ++a) {
    for (int64_t cell = 0; cell < cells; ++cell) {
      const float* at = values + a * level.anchor_step + cell * level.cell_step;
      const auto field = [&](int64_t f) { return sigmoid(at[f * level.field_step]); };
      const float objectness = field(4);
      if (!(objectness > confidence)) continue;
      const float cx = (2 * field(0) - 0.5f + static_cast<float>(cell % level.map.width)) * level.map.stride;
      const float cy = (2 * field(1) - 0.5f + static_cast<float>(cell / level.map.width)) * level.map.stride;
      const float w = 2 * field(2), h = 2 * field(3);
      const auto anchor = static_cast<size_t>(2 * a);
      proposals.boxes.push_back(box_from_centre(cx, cy, w * w * anchors[anchor], h * h * anchors[anchor + 1]));
      for (int64_t f = 5; f < level.fields; ++f) proposals.scores.push_back(field(f) * objectness);
    }
  }
}

template <const AnchorTable& anchors>
Proposals decode(const DecodeRequest& request) {
  const std::vector<Level> levels = find_levels(request.signature);
  Proposals proposals;
  proposals.class_count = levels[0].fields - 5;
  for (size_t i = 0; i < levels.size(); ++i) decode_level(levels[i], anchors[i], request, proposals);
  return proposals;
}

}  // namespace

void register_yolov5_raw(Registry& registry) {
  registry.add({.name = "yolov5-raw",
                .summary = "three maps of logits, [1, 3*(5+classes), H, W] or [1, 3, H, W, 5+classes], YOLOv5's anchors",
                .class_count = class_count,
                .matches = matches,
                .decode = decode<kYolov5Anchors>});
  registry.add({.name = "yolov7-raw",
                .summary = "as yolov5-raw, with YOLOv7's anchors; never chosen by itself",
                .class_count = class_count,
                .matches = never,
                .decode = decode<kYolov7Anchors>});
}

}  // namespace qtool::eval
