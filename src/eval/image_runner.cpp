#include "image_runner.h"

#include <optional>

#include "progress_counter.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::eval {

ImageRunner::ImageRunner(const exec::Executor& executor, const ir::Graph& graph,
                         const EvaluationOptions& options)
    : executor_(executor), preprocessing_(options.preprocessing), pictures_(options.pictures), on_outputs_(options.on_outputs) {
  threads_ = options.threads > 0 ? options.threads : available_threads();
  if (graph.inputs.size() != 1) {
    throw Error(ErrorCode::kUnsupported,
                format("labels can be used with models of one image input, this one has {} inputs",
                       graph.inputs.size()));
  }
  input_ = graph.type_of(graph.inputs[0]);
  input_size_ = data::input_geometry(input_.shape, preprocessing_.layout).size;
  if (input_.dtype != DType::kFloat32 || input_.shape[0] != 1) {
    throw Error(ErrorCode::kUnsupported,
                format("the input must be float32 with batch 1, it is {} {}",
                       dtype_name(input_.dtype), input_.shape.text()));
  }
  if (pictures_ == nullptr) pictures_ = std::make_shared<data::PictureCache>(preprocessing_, input_.shape);
}

void ImageRunner::run(const std::vector<const ImageFile*>& images, const Use& use,
                      Reporter& reporter) const {
  std::vector<std::optional<exec::Session>> sessions(static_cast<size_t>(threads_));
  const auto count = static_cast<int64_t>(images.size());
  ProgressCounter progress(reporter, "evaluate", count);
  parallel_for(count, threads_, [&](int64_t index, int worker) {
    const ImageFile& file = *images[static_cast<size_t>(index)];
    try {
      auto& session = sessions[static_cast<size_t>(worker)];
      if (!session) session.emplace(executor_.new_session());
      const auto picture = pictures_->fitted(file.path);
      std::vector<Tensor> outputs = session->run({pictures_->tensor(*picture)});
      for (Tensor& output : outputs) {
        if (output.dtype() != DType::kFloat32) output = output.cast(DType::kFloat32);
      }
      if (on_outputs_) on_outputs_(index, outputs);
      use(index, worker,
          {outputs,
           data::letterbox_geometry(picture->original, preprocessing_, input_.shape)});
    } catch (Error& error) {
      error.with("file", file.path.string());
      throw;
    }
    progress.step();
  });
}

}  // namespace qtool::eval
