// YOLOv8 and YOLO11 cut before their decoding: for each stride a map [1, 64 + classes, H, W], or a
// box map [1, 64, H, W] and a class map [1, classes, H, W]. A box side is a distribution over 16
// distances from the cell's centre; class scores are logits unless the sigmoid is in the graph.
#include "../head_maps.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

constexpr int64_t kBins = 16, kBoxChannels = 4 * kBins;

// One level: box channels start at `box_channel` of `boxes`, classes likewise.
struct Level {
  HeadMap boxes, classes;
  int64_t class_channel = 0, class_count = 0;
};

bool same_size(const HeadMap& a, const HeadMap& b) { return a.height == b.height && a.width == b.width; }

std::vector<Level> joint_levels(const std::vector<HeadMap>& maps) {
  std::vector<Level> levels;
  for (const HeadMap& map : maps) {
    if (map.channels <= kBoxChannels) return {};
    levels.push_back({map, map, kBoxChannels, map.channels - kBoxChannels});
  }
  return levels;
}

std::vector<Level> split_levels(const std::vector<HeadMap>& maps) {
  std::vector<Level> levels;
  if (maps.size() % 2 != 0) return {};
  for (size_t i = 0; i < maps.size(); i += 2) {
    const bool boxes_first = maps[i].channels == kBoxChannels;
    const HeadMap& boxes = maps[boxes_first ? i : i + 1];
    const HeadMap& classes = maps[boxes_first ? i + 1 : i];
    if (boxes.channels != kBoxChannels || !same_size(boxes, classes)) return {};
    levels.push_back({boxes, classes, 0, classes.channels});
  }
  return levels;
}

bool one_map_a_size(const std::vector<HeadMap>& maps) {
  for (size_t i = 1; i < maps.size(); ++i) {
    if (same_size(maps[i - 1], maps[i])) return false;
  }
  return true;
}

std::vector<Level> find_levels(const DetectorSignature& signature) {
  const std::vector<HeadMap> maps = find_head_maps(signature);
  if (maps.size() < 2) return {};
  std::vector<Level> levels = one_map_a_size(maps) ? joint_levels(maps) : split_levels(maps);
  for (const Level& level : levels) {
    if (level.class_count != levels.front().class_count) return {};
  }
  return levels;
}

int64_t class_count(const DetectorSignature& signature) {
  const std::vector<Level> levels = find_levels(signature);
  return levels.empty() ? 0 : levels.front().class_count;
}

// Three anchors a cell (YOLOv5) may have as many channels.
bool matches(const DetectorSignature& signature) {
  const int64_t classes = class_count(signature);
  return classes > 0 && (!signature.category_count || classes == *signature.category_count);
}

Box decode_box(const float* logits, int64_t step, float cx, float cy, float stride) {
  float side[4];
  for (int64_t k = 0; k < 4; ++k) side[k] = dfl_distance(logits + k * kBins * step, kBins, step);
  return {(cx - side[0]) * stride, (cy - side[1]) * stride, (cx + side[2]) * stride,
          (cy + side[3]) * stride};
}

void decode_level(const Level& level, const DecodeRequest& request, Proposals& proposals) {
  const int64_t cells = level.boxes.height * level.boxes.width;
  const float* boxes = request.outputs[level.boxes.output].data<float>().data();
  const auto classes = request.outputs[level.classes.output].data<float>().subspan(
      static_cast<size_t>(level.class_channel * cells),
      static_cast<size_t>(level.class_count * cells));
  const bool ready = are_probabilities(classes);
  std::vector<float> scores(static_cast<size_t>(level.class_count));
  for (int64_t cell = 0; cell < cells; ++cell) {
    bool any = false;
    for (int64_t c = 0; c < level.class_count; ++c) {
      const float value = classes[static_cast<size_t>(c * cells + cell)];
      const float score = ready ? value : sigmoid(value);
      scores[static_cast<size_t>(c)] = score;
      any = any || score > static_cast<float>(request.confidence);
    }
    if (!any) continue;
    const auto cx = static_cast<float>(cell % level.boxes.width) + 0.5f;
    const auto cy = static_cast<float>(cell / level.boxes.width) + 0.5f;
    proposals.boxes.push_back(decode_box(boxes + cell, cells, cx, cy, level.boxes.stride));
    proposals.scores.insert(proposals.scores.end(), scores.begin(), scores.end());
  }
}

Proposals decode(const DecodeRequest& request) {
  Proposals proposals;
  const std::vector<Level> levels = find_levels(request.signature);
  proposals.class_count = levels.front().class_count;
  for (const Level& level : levels) decode_level(level, request, proposals);
  return proposals;
}

}  // namespace

void register_yolov8_raw(Registry& registry) {
  registry.add({.name = "yolov8-raw",
                .summary = "a map [1, 64+classes, H, W] (or two, boxes and classes) a stride, not decoded",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
