#include "evaluation_flags.h"

namespace qtool::cli {

void add_evaluation(CLI::App& app, EvaluationFlags& flags, pipeline::EvaluationRequest& c) {
  app.add_option("--images", c.images, "folder of images")->required()->group("Data");
  app.add_option("--labels", c.labels, "COCO JSON, `file class` list, class folders, YOLO, VOC or mask folder")->group("Data");
  app.add_option("--limit", c.limit, "use N images only")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group("Data");
  add_task(app, flags, c);
}

void add_task(CLI::App& app, EvaluationFlags& flags, pipeline::EvaluationRequest& c) {
  app.add_option("--task", flags.task, "classify, detect, segment or auto")->group("Task");
  app.add_option("--class-offset", c.class_offset, "subtracted from the model's class index")->group("Task");
  app.add_option("--decoder", c.decoder, "detection decoder (default: recognised)")->group("Detection");
  app.add_option("--conf", c.thresholds.confidence, "smallest score (0.001)")->group("Detection");
  app.add_option("--iou", c.thresholds.nms_iou, "overlap for suppression (0.7)")->group("Detection");
  app.add_option("--max-det", c.thresholds.max_detections, "boxes an image (300)")->group("Detection");
  app.add_option("--categories", c.categories, "category id of each class, comma separated")->delimiter(',')->group("Detection");
  app.add_flag("--single-label", flags.single_label, "a box counts for its best class only")->group("Detection");
}

void settle_evaluation(const EvaluationFlags& flags, pipeline::EvaluationRequest& request) {
  request.task = eval::parse_task(flags.task);
  request.thresholds.multi_label = !flags.single_label;
}

}  // namespace qtool::cli
