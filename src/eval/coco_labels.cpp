// COCO instances: {"images": [...], "annotations": [...], "categories": [...]}.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "label_matching.h"
#include "label_readers.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

using nlohmann::json;

class InstancesReader {
 public:
  InstancesReader(const ImageFolder& folder, const LabelOptions& options)
      : options_(options), folder_(folder), matching_(folder, options.path) {}

  DetectionLabels read(Reporter& reporter) {
    try {
      const json root = json::parse(read_text_file(options_.path));
      for (const char* key : {"images", "annotations", "categories"}) {
        if (!root.is_object() || !root.contains(key)) {
          fail(format("not a file of COCO instances: no \"{}\"", key));
        }
      }
      for (const json& entry : root.at("categories")) add_category(entry);
      for (const json& entry : root.at("images")) add_image(entry);
      for (const json& entry : root.at("annotations")) add_annotation(entry);
    } catch (const json::exception& error) {
      fail(format("not a file of COCO instances: {}", error.what()));
    }
    matching_.finish(options_, reporter);
    sort_by_id();
    return std::move(labels_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::kInvalidData, message).with("file", options_.path.string());
  }

  void add_category(const json& entry) {
    labels_.categories.push_back({entry.at("id"), entry.value("name", std::string())});
    if (!category_ids_.insert(labels_.categories.back().id).second) {
      fail(format("category {} is given twice", labels_.categories.back().id));
    }
  }

  void add_image(const json& entry) {
    const auto id = entry.at("id").get<int64_t>();
    const auto name = entry.at("file_name").get<std::string>();
    if (!image_ids_.insert(id).second) fail(format("image {} is given twice", id));
    const ImageFile* image = matching_.note(name, folder_.find(name));
    if (!image) return;
    position_.emplace(id, labels_.images.size());
    labels_.images.push_back({id, *image, {}});
  }

  void add_annotation(const json& entry) {
    const auto image_id = entry.at("image_id").get<int64_t>();
    if (!image_ids_.contains(image_id)) {
      fail(format("an annotation belongs to image {}, which is not among the images", image_id));
    }
    const auto position = position_.find(image_id);
    if (position == position_.end()) return;  // its image is skipped
    const auto box = entry.at("bbox").get<std::vector<double>>();
    if (box.size() != 4) {
      fail(format("a bbox of image {} has {} numbers, expected x, y, width, height", image_id,
                  box.size()));
    }
    const auto category_id = entry.at("category_id").get<int64_t>();
    if (!category_ids_.contains(category_id)) {
      fail(format("an annotation of image {} has category {}, which is not among the categories",
                  image_id, category_id));
    }
    labels_.images[position->second].boxes.push_back({box[0], box[1], box[2], box[3],
                                                      entry.value("area", box[2] * box[3]),
                                                      category_id, entry.value("iscrowd", 0) != 0});
  }

  void sort_by_id() {
    const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
    std::sort(labels_.categories.begin(), labels_.categories.end(), by_id);
    std::sort(labels_.images.begin(), labels_.images.end(), by_id);
  }

  const LabelOptions& options_;
  const ImageFolder& folder_;
  LabelMatching matching_;
  DetectionLabels labels_;
  std::set<int64_t> category_ids_, image_ids_;
  std::unordered_map<int64_t, size_t> position_;
};

}  // namespace

DetectionLabels read_coco_instances(const ImageFolder& folder, const LabelOptions& options,
                                    Reporter& reporter) {
  return InstancesReader(folder, options).read(reporter);
}

}  // namespace qtool::eval
