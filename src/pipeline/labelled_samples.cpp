#include "labelled_samples.h"

#include <algorithm>
#include <sstream>

#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

std::string name_of(const std::vector<std::string>& names, int64_t index) {
  const auto at = static_cast<size_t>(index);
  return at < names.size() ? names[at] : format("class {}", index);
}

std::vector<SampleImage> all_samples(const eval::Labels& labels, const std::vector<std::string>& class_names) {
  std::vector<SampleImage> all;
  if (const auto* classes = std::get_if<eval::ClassLabels>(&labels)) {
    for (const auto& one : classes->images) all.push_back({one.image.path, "labelled " + name_of(class_names, one.class_index)});
  } else if (const auto* boxes = std::get_if<eval::DetectionLabels>(&labels)) {
    for (const auto& one : boxes->images) {
      if (!one.boxes.empty()) all.push_back({one.image.path, format("{} labelled object{}", one.boxes.size(), one.boxes.size() == 1 ? "" : "s")});
    }
  } else {
    for (const auto& one : std::get<eval::SegmentationLabels>(labels).images) all.push_back({one.image.path, {}});
  }
  return all;
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> names;
  std::istringstream text(read_text_file(file));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t tab = line.rfind('\t');
    names.push_back(tab == std::string::npos ? line : line.substr(tab + 1));
  }
  return names;
}

}  // namespace

std::vector<SampleImage> labelled_samples(const eval::Labels& labels, size_t count, const std::vector<std::string>& class_names) {
  const std::vector<SampleImage> all = all_samples(labels, class_names);
  std::vector<SampleImage> picked;
  for (size_t i = 0; i < std::min(count, all.size()); ++i) picked.push_back(all[i * all.size() / std::min(count, all.size())]);
  return picked;
}

std::vector<std::string> class_names(const eval::Labels& labels, const std::vector<int64_t>& categories, const std::filesystem::path& file) {
  if (!file.empty()) return lines_of(file);
  std::vector<std::string> names;
  const auto* boxes = std::get_if<eval::DetectionLabels>(&labels);
  if (boxes == nullptr) return names;
  for (const eval::Category& category : boxes->categories) {
    if (categories.empty()) names.push_back(category.name);
  }
  for (const int64_t id : categories) {
    const auto found = std::ranges::find(boxes->categories, id, &eval::Category::id);
    names.push_back(found == boxes->categories.end() ? format("category {}", id) : found->name);
  }
  return names;
}

}  // namespace qtool::pipeline
