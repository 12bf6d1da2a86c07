#include "evaluators.h"
#include "qtool/eval/segmentation.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

data::Image checked_mask(const MaskedImage& labelled, const data::Size& picture, int64_t classes) {
  const data::Image mask = read_mask(labelled.mask);
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::kInvalidData, message).with("file", labelled.mask.string());
  };
  if (data::Size{mask.width, mask.height} != picture) {
    fail(format("the mask has {}x{} pixels, its image {}x{}", mask.width, mask.height,
                picture.width, picture.height));
  }
  for (const uint8_t level : mask.pixels) {
    if (level != kIgnoredClass && classes > 0 && level >= classes) {
      fail(
          format("the mask has class {}, the model's classes end at {}; check that masks and model "
                 "belong together",
                 level, classes - 1));
    }
  }
  return mask;
}

}  // namespace

EvaluationResult evaluate_segmenter(const EvaluationJob& job, const SegmentationLabels& labels) {
  const data::Layout layout = job.options.preprocessing.layout;
  const Shape& shape = job.graph.type_of(job.graph.outputs.at(0)).shape;
  const int64_t classes = segmentation_classes(shape, layout);
  std::vector<std::vector<PixelCount>> by_image(labels.images.size());
  job.runner.run(
      image_files(labels.images),
      [&](int64_t index, int, const ImageOutputs& outputs) {
        const MaskedImage& labelled = labels.images[static_cast<size_t>(index)];
        const data::Image truth = checked_mask(labelled, outputs.geometry.original, classes);
        ConfusionMatrix confusion;
        confusion.add(truth, class_map(outputs.tensors[0], layout, outputs.geometry,
                                       job.runner.input_size()));
        by_image[static_cast<size_t>(index)] = confusion.cells();
      },
      job.reporter);

  ConfusionMatrix all;
  for (const std::vector<PixelCount>& cells : by_image) all.add(cells, 1);
  EvaluationResult result;
  result.metrics = {{"mIoU", all.mean_iou()}, {"pixel_accuracy", all.pixel_accuracy()}};
  result.class_iou = all.class_iou();
  result.pixel_counts = std::move(by_image);
  return result;
}

}  // namespace qtool::eval
