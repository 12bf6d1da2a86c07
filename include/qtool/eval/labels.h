// Ground truth, matched to image files.
//
// Kinds of labels and what they are recognised by:
//   text file           classification: a line `file class` for each image
//   folder of folders   classification: the images lie in one folder a class; the class is the
//                       position of the folder's name in sorted order
//   .json file          detection: COCO instances
//   folder with .txt    detection: YOLO, one file an image, lines `class cx cy w h` relative to
//                       the image's size; names of the classes may stand in classes.txt
//   folder with .xml    detection: Pascal VOC, one annotation an image; classes in sorted order of
//                       their names, or in that of classes.txt
//   folder with .png    segmentation: one class-index mask an image, 255 is ignored
// Images and labels meet by file name: the path below the image folder, else the bare name (masks
// and YOLO files: without extension).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "qtool/eval/task.h"
#include "qtool/support/reporter.h"

namespace qtool::eval {

// A picture to be measured; `name` is its path below the image folder.
struct ImageFile {
  std::string name;
  std::filesystem::path path;
};

struct ClassifiedImage {
  ImageFile image;
  int64_t class_index = 0;
};
struct ClassLabels {
  std::vector<ClassifiedImage> images;  // in the order of the label file; folders: sorted
};

struct TruthBox {
  double x = 0, y = 0, width = 0, height = 0;  // pixels of the picture, top left corner
  double area = 0;                             // square pixels, of the object rather than the box
  int64_t category_id = 0;
  bool crowd = false;  // a region of many objects: matches any number of detections, counts as none
};
struct LabelledImage {
  int64_t id = 0;
  ImageFile image;
  std::vector<TruthBox> boxes;  // may be empty: a picture without objects
};
struct Category {
  int64_t id = 0;
  std::string name;
};
struct DetectionLabels {
  std::vector<Category> categories;   // ascending by id
  std::vector<LabelledImage> images;  // ascending by id
};

struct MaskedImage {
  ImageFile image;
  std::filesystem::path mask;
};
struct SegmentationLabels {
  std::vector<MaskedImage> images;  // sorted by the mask's name
};

using Labels = std::variant<ClassLabels, DetectionLabels, SegmentationLabels>;

struct LabelOptions {
  std::filesystem::path path;        // empty: the image folder has one folder a class
  Task task = Task::kAuto;           // anything else: labels of another kind are refused
  int64_t limit = 0;                 // 0: all. Classification: spread evenly; else the first ones
  bool skip_missing_images = false;  // labels without image: leave them out instead of failing
};

// Images without a label are left out with a warning, because many label sets cover a part of a
// folder. Throws Error(kInvalidData) when labels name images that are not there, when nothing
// matches and when a folder is empty; Error(kIo) for missing paths; Error(kUsage) when the labels
// do not go with the task.
[[nodiscard]] Labels load_labels(const std::filesystem::path& images, const LabelOptions& options,
                                 Reporter& reporter);

[[nodiscard]] Task task_of(const Labels& labels);
[[nodiscard]] int64_t image_count(const Labels& labels);

}  // namespace qtool::eval
