// FastestDet: one map [1, 5 + classes, H, W]: objectness 0..1, four raw box fields, class
// probabilities.
// FORMULA  centre = (cell + tanh(xy)) / map size, size = sigmoid(wh) of the input,
//          score = objectness^0.6 * class^0.4 (the product rule of its repository, for every class)
#include "../head_maps.h"
#include "../yolo_output.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {

namespace {

int64_t class_count(const DetectorSignature& signature) {
  const std::vector<HeadMap> maps = find_head_maps(signature);
  return maps.size() == 1 && maps[0].channels > 5 ? maps[0].channels - 5 : 0;
}

bool matches(const DetectorSignature& signature) {
  const int64_t classes = class_count(signature);
  return classes > 0 && (!signature.category_count || classes == *signature.category_count);
}

Proposals decode(const DecodeRequest& request) {
  const HeadMap map = find_head_maps(request.signature)[0];
  const float* values = request.outputs[map.output].data<float>().data();
  const auto [width, height] = request.signature.input;
  const int64_t cells = map.height * map.width;
  Proposals proposals;
  proposals.class_count = map.channels - 5;
  for (int64_t cell = 0; cell < cells; ++cell) {
    const auto field = [&](int64_t f) { return values[f * cells + cell]; };
    const float cx = (static_cast<float>(cell % map.width) + std::tanh(field(1))) / static_cast<float>(map.width);
    const float cy = (static_cast<float>(cell / map.width) + std::tanh(field(2))) / static_cast<float>(map.height);
    const auto w = static_cast<float>(width), h = static_cast<float>(height);
    proposals.boxes.push_back(box_from_centre(cx * w, cy * h, sigmoid(field(3)) * w, sigmoid(field(4)) * h));
    const float objectness = std::pow(field(0), 0.6f);
    for (int64_t f = 5; f < map.channels; ++f) proposals.scores.push_back(objectness * std::pow(field(f), 0.4f));
  }
  return proposals;
}

}  // namespace

void register_fastestdet(Registry& registry) {
  registry.add({.name = "fastestdet",
                .summary = "one map [1, 5+classes, H, W]: objectness, raw box, class probabilities",
                .class_count = class_count,
                .matches = matches,
                .decode = decode});
}

}  // namespace qtool::eval
