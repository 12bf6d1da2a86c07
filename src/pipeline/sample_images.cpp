#include "sample_images.h"

#include <cmath>
#include <optional>

#include "qtool/data/jpeg_writer.h"
#include "qtool/eval/classification.h"
#include "qtool/eval/registry.h"
#include "qtool/report/data_uri.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/parallel.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr int kLongestSide = 480;  // pixels; enough to recognise an object, some 40 kB
constexpr int kJpegQuality = 80;

double tenth(double value) { return std::round(10.0 * value) / 10.0; }
double thousandth(double value) { return std::round(1000.0 * value) / 1000.0; }

eval::DetectorSignature signature_of(const ir::Graph& graph, const data::Preprocessing& preprocessing) {
  eval::DetectorSignature signature;
  for (const ir::ValueId id : graph.outputs) signature.outputs.push_back({graph.value(id).name, graph.type_of(id).shape});
  signature.input = data::input_geometry(graph.type_of(graph.inputs[0]).shape, preprocessing.layout).size;
  return signature;
}

class ViewMaker {
 public:
  ViewMaker(const ir::Graph& graph, const SampleImageOptions& options)
      : options_(options), signature_(signature_of(graph, options.preprocessing)) {
    const Shape& shape = signature_.outputs[0].shape;
    is_classifier_ = signature_.outputs.size() == 1 && shape.rank() >= 2 && shape[1] > 1 && shape.element_count() == shape[1];
    if (is_classifier_) return;
    try {
      decoder_ = &eval::builtin_registry().choose(options.decoder, signature_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kUsage) throw;  // the user named a decoder that does not fit
    }
  }

  [[nodiscard]] bool possible() const { return is_classifier_ || decoder_ != nullptr; }

  [[nodiscard]] Json view(const std::string& name, std::vector<Tensor> outputs, const data::LetterboxGeometry& geometry) const {
    for (Tensor& output : outputs) {
      if (output.dtype() != DType::kFloat32) output = output.cast(DType::kFloat32);
    }
    Json view = {{"name", name}};
    if (is_classifier_) view["top"] = best(outputs[0]);
    else view["boxes"] = boxes(outputs, geometry);
    return view;
  }

 private:
  Json best(const Tensor& output) const {
    const auto scores = output.data<float>();
    Json top = Json::array();
    for (const int64_t index : eval::best_classes(scores, 5)) {
      const auto at = static_cast<size_t>(index);
      const std::string label = at < options_.class_names.size() ? options_.class_names[at] : format("class {}", index);
      top.push_back({{"label", label}, {"score", thousandth(scores[at])}});
    }
    return top;
  }

  Json boxes(const std::vector<Tensor>& outputs, const data::LetterboxGeometry& geometry) const {
    const eval::Proposals proposals = decoder_->decode({outputs, signature_, options_.thresholds.confidence});
    std::vector<eval::Detection> found = eval::select_detections(proposals, options_.thresholds);
    eval::map_to_original(found, geometry);
    Json list = Json::array();
    for (const eval::Detection& d : found) {
      list.push_back({tenth(d.x1), tenth(d.y1), tenth(d.x2), tenth(d.y2), thousandth(d.score), d.class_index});
    }
    return list;
  }

  const SampleImageOptions& options_;
  eval::DetectorSignature signature_;
  bool is_classifier_ = false;
  const eval::DetectionDecoder* decoder_ = nullptr;
};

}  // namespace

Json images_part(const ir::Graph& graph, std::span<const ImageVariant> variants, std::span<const std::filesystem::path> images,
                 const SampleImageOptions& options) {
  if (graph.inputs.size() != 1 || graph.type_of(graph.inputs[0]).shape.rank() != 4 || variants.empty()) return Json::array();
  const ViewMaker maker(graph, options);
  if (!maker.possible()) return Json::array();
  const Shape& shape = graph.type_of(graph.inputs[0]).shape;
  std::vector<Json> parts(images.size());
  parallel_for(static_cast<int64_t>(images.size()), options.threads, [&](int64_t i, int) {
    const std::filesystem::path& path = images[static_cast<size_t>(i)];
    const data::Image image = data::read_image(path);
    const Tensor input = data::apply(image, options.preprocessing, shape);
    const auto geometry = data::letterbox_geometry({image.width, image.height}, options.preprocessing, shape);
    Json views = Json::array();
    for (const ImageVariant& variant : variants) views.push_back(maker.view(variant.name, variant.executor->new_session().run({input}), geometry));
    parts[static_cast<size_t>(i)] = {
        {"name", path.filename().string()}, {"width", image.width}, {"height", image.height},
        {"uri", report::data_uri("image/jpeg", data::encode_jpeg(data::shrink_to(image, kLongestSide), kJpegQuality))},
        {"views", std::move(views)}};
  });
  return parts;
}

}  // namespace qtool::pipeline
