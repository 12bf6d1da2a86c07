// What one model says of one picture, as a "view" of a report document: boxes, best classes, or a class map.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/eval/decoder.h"
#include "qtool/eval/nms.h"
#include "qtool/eval/task.h"
#include "qtool/ir/graph.h"

namespace qtool::pipeline {

struct ViewOptions {
  data::Preprocessing preprocessing;
  eval::Task task = eval::Task::kAuto;        // kAuto: by decoder and shapes of the outputs
  std::string decoder;                        // name, or "" to recognise it
  eval::DetectionThresholds thresholds{.confidence = 0.05, .max_detections = 100};
  int64_t class_offset = 0;                   // subtracted from the model's class index
  std::vector<std::string> class_names;       // by class index; may be empty
};

class ViewMaker {
 public:
  // Throws Error(kUsage) when a decoder is named that does not fit.
  ViewMaker(const ir::Graph& graph, ViewOptions options);

  // false: the outputs are nothing that can be shown beside a picture.
  [[nodiscard]] bool possible() const { return task_ != eval::Task::kAuto; }

  // `outputs` in graph order. Boxes are in pixels of the picture; class maps have the size `shown` and lie over the whole of it.
  [[nodiscard]] nlohmann::json view(const std::string& name, std::vector<Tensor> outputs, const data::LetterboxGeometry& geometry,
                                    data::Size shown) const;

 private:
  [[nodiscard]] eval::Task recognise() const;
  [[nodiscard]] std::string class_name(int64_t index) const;
  [[nodiscard]] nlohmann::json best(const Tensor& output) const;
  [[nodiscard]] nlohmann::json boxes(const std::vector<Tensor>& outputs, const data::LetterboxGeometry& geometry) const;
  void add_mask(const Tensor& output, data::LetterboxGeometry geometry, data::Size shown, nlohmann::json& view) const;

  ViewOptions options_;
  eval::DetectorSignature signature_;
  const eval::DetectionDecoder* decoder_ = nullptr;
  eval::Task task_ = eval::Task::kAuto;
};

}  // namespace qtool::pipeline
