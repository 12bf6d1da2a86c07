#include "image_views.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtool/data/png_writer.h"
#include "qtool/eval/classification.h"
#include "qtool/eval/registry.h"
#include "qtool/eval/segmentation.h"
#include "qtool/report/data_uri.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
constexpr size_t kBestShown = 5;
constexpr uint8_t kMaskOpacity = 165;

double tenth(double value) { return std::round(10.0 * value) / 10.0; }
double thousandth(double value) { return std::round(1000.0 * value) / 1000.0; }

eval::DetectorSignature signature_of(const ir::Graph& graph, const data::Preprocessing& preprocessing) {
  eval::DetectorSignature signature;
  for (const ir::ValueId id : graph.outputs) signature.outputs.push_back({graph.value(id).name, graph.type_of(id).shape});
  signature.input = data::input_geometry(graph.type_of(graph.inputs[0]).shape, preprocessing.layout).size;
  return signature;
}

// Scores that are no probabilities yet become some, so that variants can be compared at a glance.
std::vector<float> as_probabilities(std::span<const float> scores) {
  std::vector<float> result(scores.begin(), scores.end());
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  const float most = *std::max_element(result.begin(), result.end());
  if (*std::min_element(result.begin(), result.end()) >= 0.0f && std::abs(sum - 1.0) < 0.05) return result;
  double total = 0.0;
  for (float& score : result) total += score = std::exp(score - most);
  for (float& score : result) score = static_cast<float>(score / total);
  return result;
}

// The colours of Pascal VOC: the bits of the class index, three at a time, become the high bits of red, green and blue.
data::Colour class_colour(int index) {
  data::Colour colour{0, 0, 0, index == 0 ? uint8_t{0} : kMaskOpacity};
  for (int bit = 7, rest = index; bit >= 0; --bit, rest >>= 3) {
    for (int channel = 0; channel < 3; ++channel) colour[static_cast<size_t>(channel)] |= static_cast<uint8_t>(((rest >> channel) & 1) << bit);
  }
  return colour;
}

}  // namespace

ViewMaker::ViewMaker(const ir::Graph& graph, ViewOptions options)
    : options_(std::move(options)), signature_(signature_of(graph, options_.preprocessing)) {
  if (options_.task == eval::Task::kAuto || options_.task == eval::Task::kDetect) {
    try {
      decoder_ = &eval::builtin_registry().choose(options_.decoder, signature_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kUsage) throw;
    }
  }
  task_ = options_.task == eval::Task::kAuto ? recognise() : options_.task;
  if (task_ == eval::Task::kDetect && decoder_ == nullptr) task_ = eval::Task::kAuto;
}

eval::Task ViewMaker::recognise() const {
  const Shape& shape = signature_.outputs[0].shape;
  const bool alone = signature_.outputs.size() == 1;
  if (alone && shape.rank() >= 2 && shape[1] > 1 && shape.element_count() == shape[1]) return eval::Task::kClassify;
  if (decoder_ != nullptr) return eval::Task::kDetect;
  // Up to four maps may as well be a picture.
  const bool maps = alone && shape.rank() == 4 && shape[0] == 1 && shape[1] > 4 && shape[1] <= eval::kMostClasses && shape[2] > 1 && shape[3] > 1;
  return maps && options_.preprocessing.layout == data::Layout::kNchw ? eval::Task::kSegment : eval::Task::kAuto;
}

Json ViewMaker::view(const std::string& name, std::vector<Tensor> outputs, const data::LetterboxGeometry& geometry, data::Size shown) const {
  for (Tensor& output : outputs) {
    if (output.dtype() != DType::kFloat32) output = output.cast(DType::kFloat32);
  }
  Json view = {{"name", name}};
  if (task_ == eval::Task::kClassify) view["top"] = best(outputs[0]);
  if (task_ == eval::Task::kDetect) view["boxes"] = boxes(outputs, geometry);
  if (task_ == eval::Task::kSegment) add_mask(outputs[0], geometry, shown, view);
  return view;
}

std::string ViewMaker::class_name(int64_t index) const {
  const auto at = static_cast<size_t>(index);
  return index >= 0 && at < options_.class_names.size() ? options_.class_names[at] : format("class {}", index);
}

Json ViewMaker::best(const Tensor& output) const {
  const std::vector<float> scores = as_probabilities(output.data<float>());
  Json top = Json::array();
  for (const int64_t index : eval::best_classes(scores, kBestShown)) {
    top.push_back({{"label", class_name(index - options_.class_offset)}, {"score", thousandth(scores[static_cast<size_t>(index)])}});
  }
  return top;
}

Json ViewMaker::boxes(const std::vector<Tensor>& outputs, const data::LetterboxGeometry& geometry) const {
  const eval::Proposals proposals = decoder_->decode({outputs, signature_, options_.thresholds.confidence});
  std::vector<eval::Detection> found = eval::select_detections(proposals, options_.thresholds);
  eval::map_to_original(found, geometry);
  Json list = Json::array();
  for (const eval::Detection& d : found) {
    list.push_back({tenth(d.x1), tenth(d.y1), tenth(d.x2), tenth(d.y2), thousandth(d.score), d.class_index});
  }
  return list;
}

void ViewMaker::add_mask(const Tensor& output, data::LetterboxGeometry geometry, data::Size shown, Json& view) const {
  geometry.original = shown;  // where the picture lies in the input stays; only the size of the map changes
  const data::Image map = eval::class_map(output, options_.preprocessing.layout, geometry, signature_.input);
  std::vector<data::Colour> palette;
  for (int i = 0; i < eval::kMostClasses; ++i) palette.push_back(class_colour(i));
  view["mask"] = report::data_uri("image/png", data::encode_indexed_png(map, palette));
  std::vector<std::pair<int64_t, int>> pixels(eval::kMostClasses);
  for (int i = 0; i < eval::kMostClasses; ++i) pixels[static_cast<size_t>(i)].second = i;
  for (const uint8_t index : map.pixels) --pixels[index].first;
  std::sort(pixels.begin(), pixels.end());
  view["top"] = Json::array();
  for (size_t i = 0; i < kBestShown && pixels[i].first < 0; ++i) {
    const data::Colour colour = class_colour(pixels[i].second);
    Json entry = {{"label", class_name(pixels[i].second)}, {"score", thousandth(static_cast<double>(-pixels[i].first) / static_cast<double>(map.pixels.size()))}};
    if (colour[3] > 0) entry["shade"] = format("#{:02x}{:02x}{:02x}", colour[0], colour[1], colour[2]);
    view["top"].push_back(std::move(entry));
  }
}

}  // namespace qtool::pipeline
