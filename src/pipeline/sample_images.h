// "images" of a report document: pictures with what each variant of a model sees in them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/eval/nms.h"
#include "qtool/exec/executor.h"
#include "qtool/ir/graph.h"

namespace qtool::pipeline {

struct ImageVariant {
  std::string name;               // "FP32", "vanilla" ...
  const exec::Executor* executor; // of a graph with the inputs and outputs of `graph`
};

struct SampleImageOptions {
  data::Preprocessing preprocessing;
  std::string decoder;                        // name, or "" to recognise it
  eval::DetectionThresholds thresholds{.confidence = 0.05, .max_detections = 100};
  std::vector<std::string> class_names;       // by class index; may be empty
  int threads = 1;
};

// One entry a picture, the first variant being the reference: boxes where a decoder recognises the outputs, the five best
// classes where the output is a vector of scores; empty for models that are neither, or that take no single image.
[[nodiscard]] nlohmann::json images_part(const ir::Graph& graph, std::span<const ImageVariant> variants,
                                         std::span<const std::filesystem::path> images, const SampleImageOptions& options);

}  // namespace qtool::pipeline
