// Pascal VOC: one XML annotation an image. Corners are 1-based and inclusive; objects marked
// difficult become regions that count neither as hit nor as miss, as in the VOC devkit.
#include <algorithm>
#include <map>
#include <pugixml.hpp>
#include <set>

#include "class_names_file.h"
#include "label_matching.h"
#include "label_readers.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::eval {

namespace fs = std::filesystem;

namespace {

struct VocObject {
  std::string class_name;
  TruthBox box;
};

struct Annotation {
  fs::path file;
  const ImageFile* image = nullptr;
  std::vector<VocObject> objects;
};

[[noreturn]] void refuse(const fs::path& file, const std::string& message) {
  throw Error(ErrorCode::kInvalidData, message).with("file", file.string());
}

pugi::xml_document read_document(const fs::path& file) {
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_file(file.c_str());
  if (!result) refuse(file, format("not readable as XML: {} (byte {})", result.description(), result.offset));
  if (!document.child("annotation")) {
    refuse(file, "found no <annotation>; expected a Pascal VOC annotation");
  }
  return document;
}

double corner(const pugi::xml_node& box, const char* name, const fs::path& file) {
  const pugi::xml_text text = box.child(name).text();
  const double value = text.as_double(-1.0);
  if (text.empty() || value < 0.0) {
    refuse(file, format("an <object> has no usable <{}> in its <bndbox>; found '{}'", name, text.as_string()));
  }
  return value;
}

VocObject read_object(const pugi::xml_node& object, const fs::path& file) {
  VocObject found;
  found.class_name = object.child_value("name");
  if (found.class_name.empty()) refuse(file, "an <object> has no <name>");
  const pugi::xml_node corners = object.child("bndbox");
  TruthBox& box = found.box;
  box.x = corner(corners, "xmin", file) - 1;
  box.y = corner(corners, "ymin", file) - 1;
  box.width = corner(corners, "xmax", file) - box.x;
  box.height = corner(corners, "ymax", file) - box.y;
  if (box.width <= 0 || box.height <= 0) {
    refuse(file, format("the box of a '{}' has its corners in the wrong order", found.class_name));
  }
  box.area = box.width * box.height;
  box.crowd = object.child("difficult").text().as_int(0) != 0;
  return found;
}

Annotation read_annotation(const fs::path& file) {
  const pugi::xml_document document = read_document(file);
  Annotation annotation{.file = file};
  for (const pugi::xml_node& object : document.child("annotation").children("object")) {
    annotation.objects.push_back(read_object(object, file));
  }
  return annotation;
}

std::vector<std::string> annotation_files(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".xml") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> class_names(const std::vector<Annotation>& annotations, const fs::path& folder) {
  std::vector<std::string> listed = read_class_names(folder);
  if (!listed.empty()) return listed;
  std::set<std::string> seen;
  for (const Annotation& annotation : annotations) {
    for (const VocObject& object : annotation.objects) seen.insert(object.class_name);
  }
  return {seen.begin(), seen.end()};
}

std::map<std::string, int64_t> index_of(const std::vector<std::string>& names) {
  std::map<std::string, int64_t> index;
  for (size_t i = 0; i < names.size(); ++i) index.emplace(names[i], static_cast<int64_t>(i));
  return index;
}

}  // namespace

DetectionLabels read_voc_folder(const ImageFolder& folder, const LabelOptions& options, Reporter& reporter) {
  std::vector<Annotation> annotations;
  LabelMatching matching(folder, options.path);
  for (const std::string& name : annotation_files(options.path)) {
    const ImageFile* image = matching.note(name, folder.find_without_extension(name));
    if (!image) continue;
    annotations.push_back(read_annotation(options.path / name));
    annotations.back().image = image;
  }
  matching.finish(options, reporter);

  const std::vector<std::string> names = class_names(annotations, options.path);
  const auto index = index_of(names);
  DetectionLabels labels;
  for (size_t i = 0; i < names.size(); ++i) labels.categories.push_back({static_cast<int64_t>(i), names[i]});
  for (Annotation& annotation : annotations) {
    LabelledImage labelled{static_cast<int64_t>(labels.images.size()), *annotation.image, {}};
    for (VocObject& object : annotation.objects) {
      const auto at = index.find(object.class_name);
      if (at == index.end()) {
        refuse(annotation.file, format("class '{}' is not in {}{}", object.class_name, kClassNamesFile,
                                       did_you_mean(object.class_name, names)));
      }
      object.box.category_id = at->second;
      labelled.boxes.push_back(object.box);
    }
    labels.images.push_back(std::move(labelled));
  }
  return labels;
}

}  // namespace qtool::eval
