#include "sample_images.h"

#include "qtool/data/jpeg_writer.h"
#include "qtool/report/data_uri.h"
#include "qtool/support/parallel.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr int kLongestSide = 480;  // pixels; enough to recognise an object, some 40 kB
constexpr int kJpegQuality = 80;

}  // namespace

SampleImages::SampleImages(const ir::Graph& graph, std::span<const SampleImage> images, ViewOptions options, int threads) : threads_(threads) {
  if (images.empty() || graph.inputs.size() != 1 || graph.type_of(graph.inputs[0]).shape.rank() != 4) return;
  const data::Preprocessing preprocessing = options.preprocessing;
  maker_ = std::make_unique<ViewMaker>(graph, std::move(options));
  if (!maker_->possible()) return;
  const Shape& shape = graph.type_of(graph.inputs[0]).shape;
  prepared_.resize(images.size());
  std::vector<Json> parts(images.size());
  parallel_for(static_cast<int64_t>(images.size()), threads, [&](int64_t i, int) {
    const SampleImage& sample = images[static_cast<size_t>(i)];
    const data::Image image = data::read_image(sample.path), small = data::shrink_to(image, kLongestSide);
    prepared_[static_cast<size_t>(i)] = {data::apply(image, preprocessing, shape),
                                         data::letterbox_geometry({image.width, image.height}, preprocessing, shape), {small.width, small.height}};
    Json part = {{"name", sample.path.filename().string()}, {"width", image.width}, {"height", image.height}, {"views", Json::array()},
                 {"uri", report::data_uri("image/jpeg", data::encode_jpeg(small, kJpegQuality))}};
    if (!sample.note.empty()) part["note"] = sample.note;
    parts[static_cast<size_t>(i)] = std::move(part);
  });
  part_ = std::move(parts);
}

void SampleImages::add(const std::string& variant, const exec::Executor& executor) {
  parallel_for(static_cast<int64_t>(prepared_.size()), threads_, [&](int64_t i, int) {
    const Prepared& image = prepared_[static_cast<size_t>(i)];
    part_[static_cast<size_t>(i)]["views"].push_back(maker_->view(variant, executor.new_session().run({image.input}), image.geometry, image.shown));
  });
}

}  // namespace qtool::pipeline
