// "images" of a report document: pictures with what each variant of a model sees in them.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "image_views.h"
#include "qtool/exec/executor.h"

namespace qtool::pipeline {

struct SampleImage {
  std::filesystem::path path;
  std::string note;  // for the reader, such as its label; may be empty
};

class SampleImages {
 public:
  // Reads and prepares the pictures. Nothing is shown of models that take no single image, or whose outputs cannot be shown.
  SampleImages(const ir::Graph& graph, std::span<const SampleImage> images, ViewOptions options, int threads);

  // The first variant is the reference. The executor is of a graph with the inputs and outputs of `graph`.
  void add(const std::string& variant, const exec::Executor& executor);
  // One entry a picture; empty when nothing can be shown.
  [[nodiscard]] nlohmann::json part() const { return part_; }

 private:
  struct Prepared {
    Tensor input;
    data::LetterboxGeometry geometry;
    data::Size shown;
  };
  std::unique_ptr<ViewMaker> maker_;
  std::vector<Prepared> prepared_;
  nlohmann::json part_ = nlohmann::json::array();
  int threads_ = 1;
};

}  // namespace qtool::pipeline
