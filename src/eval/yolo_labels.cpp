// YOLO text files: one for each image, lines `class cx cy w h` in parts of the image's size.
#include <algorithm>
#include <map>
#include <sstream>

#include "class_names_file.h"
#include "label_matching.h"
#include "label_readers.h"
#include "qtool/data/image.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> label_files(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".txt" && name != kClassNamesFile) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Boxes in pixels need the image's size, which only the image knows.
std::vector<TruthBox> read_boxes(const fs::path& file, const fs::path& image_path) {
  std::vector<TruthBox> boxes;
  const data::Image image = data::read_image(image_path);
  std::istringstream lines(read_text_file(file));
  int line_number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::istringstream words(line);
    int64_t class_index = 0;
    double cx = 0, cy = 0, width = 0, height = 0;
    if (!(words >> class_index >> cx >> cy >> width >> height) || class_index < 0) {
      throw Error(ErrorCode::kInvalidData,
                  format("line {}: found '{}', expected `class cx cy w h`", line_number, line))
          .with("file", file.string());
    }
    TruthBox box;
    box.width = width * image.width;
    box.height = height * image.height;
    box.x = cx * image.width - box.width / 2;
    box.y = cy * image.height - box.height / 2;
    box.area = box.width * box.height;
    box.category_id = class_index;
    boxes.push_back(box);
  }
  return boxes;
}

std::vector<Category> read_categories(const fs::path& folder, int64_t largest_class) {
  std::vector<Category> categories;
  for (std::string& name : read_class_names(folder)) {
    categories.push_back({static_cast<int64_t>(categories.size()), std::move(name)});
  }
  while (static_cast<int64_t>(categories.size()) <= largest_class) {
    const auto id = static_cast<int64_t>(categories.size());
    categories.push_back({id, format("class {}", id)});
  }
  return categories;
}

}  // namespace

DetectionLabels read_yolo_folder(const ImageFolder& folder, const LabelOptions& options,
                                 Reporter& reporter) {
  DetectionLabels labels;
  LabelMatching matching(folder, options.path);
  int64_t largest_class = -1;
  for (const std::string& name : label_files(options.path)) {
    const ImageFile* image = matching.note(name, folder.find_without_extension(name));
    if (!image) continue;
    LabelledImage labelled{static_cast<int64_t>(labels.images.size()), *image,
                           read_boxes(options.path / name, image->path)};
    for (const TruthBox& box : labelled.boxes) {
      largest_class = std::max(largest_class, box.category_id);
    }
    labels.images.push_back(std::move(labelled));
  }
  matching.finish(options, reporter);
  labels.categories = read_categories(options.path, largest_class);
  return labels;
}

}  // namespace qtool::eval
