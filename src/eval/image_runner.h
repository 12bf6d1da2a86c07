// Runs a model on image files, one session a worker.
#pragma once

#include <functional>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/eval/evaluator.h"

namespace qtool::eval {

// One image after the model has run.
struct ImageOutputs {
  const std::vector<Tensor>& tensors;  // float32, in graph order
  data::LetterboxGeometry geometry;
};

class ImageRunner {
 public:
  // Throws Error(kUnsupported) unless the model takes one float32 image, batch 1.
  ImageRunner(const exec::Executor& executor, const ir::Graph& graph,
              const EvaluationOptions& options);

  using Use = std::function<void(int64_t index, int worker, const ImageOutputs& outputs)>;
  // Calls `use` for every image, from several threads at a time. Errors name the image.
  void run(const std::vector<const ImageFile*>& images, const Use& use, Reporter& reporter) const;

  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] data::Size input_size() const { return input_size_; }

 private:
  const exec::Executor& executor_;
  const data::Preprocessing& preprocessing_;
  std::shared_ptr<const data::PictureCache> pictures_;
  std::function<void(int64_t, const std::vector<Tensor>&)> on_outputs_;
  TensorType input_;
  data::Size input_size_;
  int threads_ = 1;
};

}  // namespace qtool::eval
