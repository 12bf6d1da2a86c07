// One reader for each kind of labels; load_labels chooses.
#pragma once

#include <filesystem>

#include "image_folder.h"
#include "qtool/eval/labels.h"

namespace qtool::eval {

[[nodiscard]] ClassLabels read_class_list(const ImageFolder& folder, const LabelOptions& options,
                                          Reporter& reporter);
// The folders are those of the images.
[[nodiscard]] ClassLabels read_class_folders(const ImageFolder& folder, Reporter& reporter);
[[nodiscard]] DetectionLabels read_coco_instances(const ImageFolder& folder,
                                                  const LabelOptions& options, Reporter& reporter);
[[nodiscard]] DetectionLabels read_yolo_folder(const ImageFolder& folder,
                                               const LabelOptions& options, Reporter& reporter);
[[nodiscard]] DetectionLabels read_voc_folder(const ImageFolder& folder,
                                              const LabelOptions& options, Reporter& reporter);
[[nodiscard]] SegmentationLabels read_mask_folder(const ImageFolder& folder,
                                                  const LabelOptions& options, Reporter& reporter);

}  // namespace qtool::eval
