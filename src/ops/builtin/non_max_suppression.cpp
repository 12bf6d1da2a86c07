// NonMaxSuppression: greedy selection of boxes by score, per image and class.
#include <algorithm>
#include <array>
#include <numeric>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::ops {

namespace {

struct Box {
  float top, left, bottom, right;

  [[nodiscard]] float area() const { return (bottom - top) * (right - left); }
};

// center_point_box 0: [y1, x1, y2, x2], any two diagonal corners; 1: [x_center, y_center, width, height].
Box read_box(const float* values, bool center_point) {
  if (center_point) {
    const float x = values[0], y = values[1], half_width = values[2] / 2, half_height = values[3] / 2;
    return {y - half_height, x - half_width, y + half_height, x + half_width};
  }
  const auto [top, bottom] = std::minmax(values[0], values[2]);
  const auto [left, right] = std::minmax(values[1], values[3]);
  return {top, left, bottom, right};
}

bool overlaps_too_much(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (height <= 0.0f || width <= 0.0f || a.area() <= 0.0f || b.area() <= 0.0f) return false;
  const float intersection = height * width;
  return intersection / (a.area() + b.area() - intersection) > threshold;
}

struct Limits {
  int64_t max_boxes = 0;
  float iou_threshold = 0.0f;
  bool has_score_threshold = false;
  float score_threshold = 0.0f;
};

Limits read_limits(const EvalContext& context) {
  Limits limits;
  const auto scalar = [&](size_t slot) {
    const Tensor& tensor = context.input(slot);
    if (tensor.empty()) throw Error(ErrorCode::kInvalidModel, format("input {} is empty, expected one value", slot));
    return tensor.to_float()[0];
  };
  if (context.has_input(2) && !context.input(2).empty()) limits.max_boxes = context.input(2).to_int64()[0];
  if (context.has_input(3)) limits.iou_threshold = scalar(3);
  limits.has_score_threshold = context.has_input(4);
  if (limits.has_score_threshold) limits.score_threshold = scalar(4);
  return limits;
}

std::vector<int64_t> select(const std::vector<Box>& boxes, const float* scores, const Limits& limits) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (!limits.has_score_threshold || scores[i] > limits.score_threshold) order.push_back(static_cast<int64_t>(i));
  }
  // Equal scores: the lower index first.
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<int64_t> chosen;
  for (const int64_t candidate : order) {
    if (static_cast<int64_t>(chosen.size()) >= limits.max_boxes) break;
    const Box& box = boxes[static_cast<size_t>(candidate)];
    const bool hidden = std::any_of(chosen.begin(), chosen.end(), [&](int64_t other) {
      return overlaps_too_much(box, boxes[static_cast<size_t>(other)], limits.iou_threshold);
    });
    if (!hidden) chosen.push_back(candidate);
  }
  return chosen;
}

// Boxes [batch, boxes, 4], scores [batch, classes, boxes].
void check_shapes(const Shape& boxes, const Shape& scores) {
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes[2] != 4 || boxes[0] != scores[0] || boxes[1] != scores[2]) {
    throw Error(ErrorCode::kInvalidModel, format("boxes {} do not fit scores {}", boxes.text(), scores.text()));
  }
}

InferredTypes infer(const InferContext& context) {
  check_shapes(context.shape(0), context.shape(1));
  return {std::nullopt};  // the number of selected boxes depends on the data
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Shape &box_shape = context.input(0).shape(), &score_shape = context.input(1).shape();
  check_shapes(box_shape, score_shape);
  const bool center_point = context.node().attr_int("center_point_box", 0) != 0;
  const Limits limits = read_limits(context);
  const std::vector<float> coordinates = context.input(0).to_float(), scores = context.input(1).to_float();
  const int64_t count = box_shape[1], classes = score_shape[1];
  std::vector<int64_t> rows;  // (image, class, box)
  for (int64_t image = 0; image < box_shape[0]; ++image) {
    std::vector<Box> boxes;
    for (int64_t i = 0; i < count; ++i) boxes.push_back(read_box(&coordinates[static_cast<size_t>((image * count + i) * 4)], center_point));
    for (int64_t category = 0; category < classes; ++category) {
      const float* class_scores = scores.data() + (image * classes + category) * count;
      for (const int64_t box : select(boxes, class_scores, limits)) rows.insert(rows.end(), {image, category, box});
    }
  }
  return {Tensor::from<int64_t>(Shape{static_cast<int64_t>(rows.size()) / 3, 3}, std::span<const int64_t>(rows))};
}

}  // namespace

void register_non_max_suppression(Registry& registry) {
  registry.add({.type = "NonMaxSuppression",
                .first_opset = 10,
                .infer = infer,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kNotNumeric}});
}

}  // namespace qtool::ops
