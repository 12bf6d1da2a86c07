// Turns the raw outputs of a detector for one image into boxes and class scores. Files in
// src/eval/builtin each add one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/tensor/tensor.h"

namespace qtool::eval {

// What a decoder can tell a model by.
struct DetectorOutput {
  std::string name;
  Shape shape;
};
struct DetectorSignature {
  std::vector<DetectorOutput> outputs;
  data::Size input;                       // of the pictures, in pixels
  std::optional<int64_t> category_count;  // of the labels, when known: tells [4+classes] from
                                          // [5+classes]
};

struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // model input pixels
};

// Before thresholds and suppression.
struct Proposals {
  std::vector<Box> boxes;
  int64_t class_count = 0;
  std::vector<float> scores;  // [boxes, class_count], 0..1

  // Set by graphs that select for themselves: scores and final_classes hold one value a box, and
  // nothing is suppressed any more.
  bool is_final = false;
  std::vector<int64_t> final_classes;
};

struct DecodeRequest {
  std::span<const Tensor> outputs;  // float32, batch 1, in the order of the signature
  const DetectorSignature& signature;
  // Boxes that cannot reach it may be left out.
  double confidence = 0.0;
};

struct DetectionDecoder {
  std::string name;
  std::string summary;
  // Number of classes if the shapes can be read this way at all, else 0.
  int64_t (*class_count)(const DetectorSignature& signature) = nullptr;
  // Recognition by names and shapes alone; implies class_count > 0.
  bool (*matches)(const DetectorSignature& signature) = nullptr;
  // Called only when class_count says more than 0.
  Proposals (*decode)(const DecodeRequest& request) = nullptr;
};

}  // namespace qtool::eval
