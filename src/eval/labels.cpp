#include "qtool/eval/labels.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "image_folder.h"
#include "label_readers.h"
#include "qtool/data/sample_source.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace fs = std::filesystem;

namespace {

enum class LabelKind { kClassList, kClassFolders, kCocoInstances, kYoloFolder, kVocFolder, kMaskFolder };

Task task_of_kind(LabelKind kind) {
  switch (kind) {
    case LabelKind::kClassList:
    case LabelKind::kClassFolders:
      return Task::kClassify;
    case LabelKind::kCocoInstances:
    case LabelKind::kYoloFolder:
    case LabelKind::kVocFolder:
      return Task::kDetect;
    case LabelKind::kMaskFolder:
      return Task::kSegment;
  }
  return Task::kAuto;
}

std::string_view kind_text(LabelKind kind) {
  switch (kind) {
    case LabelKind::kClassList:
      return "a list of classes";
    case LabelKind::kClassFolders:
      return "a folder for each class";
    case LabelKind::kCocoInstances:
      return "COCO instances";
    case LabelKind::kYoloFolder:
      return "YOLO text files";
    case LabelKind::kVocFolder:
      return "Pascal VOC annotations";
    case LabelKind::kMaskFolder:
      return "masks";
  }
  return "?";
}

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

[[noreturn]] void fail(ErrorCode code, const std::string& message, const fs::path& path) {
  throw Error(code, message).with("file", path.string());
}

LabelKind kind_of_folder(const fs::path& path, const fs::path& images) {
  bool has_text = false, has_png = false, has_xml = false, has_folder = false, empty = true;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ec)) {
    if (entry.path().filename().string().starts_with('.')) continue;
    empty = false;
    has_folder = has_folder || entry.is_directory();
    has_text = has_text || lower_extension(entry.path()) == ".txt";
    has_xml = has_xml || lower_extension(entry.path()) == ".xml";
    has_png = has_png || lower_extension(entry.path()) == ".png";
  }
  if (ec) fail(ErrorCode::kIo, format("cannot list the folder: {}", ec.message()), path);
  if (empty) fail(ErrorCode::kInvalidData, "the folder of labels is empty", path);
  const bool is_image_folder = fs::equivalent(path, images, ec);
  if (is_image_folder && has_folder) return LabelKind::kClassFolders;
  // VOC annotations may lie beside their images.
  if (has_xml) return LabelKind::kVocFolder;
  if (!is_image_folder && has_text) return LabelKind::kYoloFolder;
  if (!is_image_folder && has_png) return LabelKind::kMaskFolder;
  if (has_folder) {
    fail(ErrorCode::kUsage,
         format("the labels are a folder of folders, but not that of the images ('{}'); class "
                "folders hold the images themselves, so give the same folder for both",
                images.string()),
         path);
  }
  fail(ErrorCode::kInvalidData,
       is_image_folder
           ? "no labels: the images do not lie in one folder a class; give a text file with lines "
             "`file class`, a COCO .json file, or a folder of masks or YOLO files"
           : "the folder of labels holds neither .png masks, YOLO .txt files nor VOC .xml files",
       path);
}

LabelKind kind_of(const fs::path& path, const fs::path& images) {
  std::error_code ec;
  if (!fs::exists(path, ec)) fail(ErrorCode::kIo, "no such file or folder of labels", path);
  if (fs::is_directory(path, ec)) return kind_of_folder(path, images);
  return lower_extension(path) == ".json" ? LabelKind::kCocoInstances : LabelKind::kClassList;
}

Labels read(LabelKind kind, const ImageFolder& folder, const LabelOptions& options,
            Reporter& reporter) {
  switch (kind) {
    case LabelKind::kClassList:
      return read_class_list(folder, options, reporter);
    case LabelKind::kClassFolders:
      return read_class_folders(folder, reporter);
    case LabelKind::kCocoInstances:
      return read_coco_instances(folder, options, reporter);
    case LabelKind::kYoloFolder:
      return read_yolo_folder(folder, options, reporter);
    case LabelKind::kVocFolder:
      return read_voc_folder(folder, options, reporter);
    case LabelKind::kMaskFolder:
      return read_mask_folder(folder, options, reporter);
  }
  throw Error(ErrorCode::kInternal, "unknown kind of labels");
}

// Class lists are usually sorted by class: the first ones alone would be of one kind.
template <class T>
void keep_spread(std::vector<T>& items, size_t limit) {
  const size_t step = std::max<size_t>(1, items.size() / limit);
  for (size_t i = 1; i < limit; ++i) items[i] = std::move(items[i * step]);
  items.resize(limit);
}

void apply_limit(Labels& labels, int64_t limit_option) {
  const auto limit = static_cast<size_t>(limit_option);
  std::visit(
      [&](auto& kind) {
        if (limit == 0 || kind.images.size() <= limit) return;
        if constexpr (std::is_same_v<std::decay_t<decltype(kind)>, ClassLabels>) {
          keep_spread(kind.images, limit);
        } else {
          kind.images.resize(limit);
        }
      },
      labels);
}

}  // namespace

Labels load_labels(const fs::path& images, const LabelOptions& options, Reporter& reporter) {
  if (options.limit < 0) {
    throw Error(ErrorCode::kUsage,
                format("a limit of {} images; expected 0 (all) or more", options.limit));
  }
  LabelOptions settled = options;
  if (settled.path.empty()) settled.path = images;
  const ImageFolder folder(images);
  const LabelKind kind = kind_of(settled.path, images);
  if (options.task != Task::kAuto && options.task != task_of_kind(kind)) {
    fail(ErrorCode::kUsage,
         format("task {} cannot use these labels: they are {}, which is task {}",
                task_name(options.task), kind_text(kind), task_name(task_of_kind(kind))),
         settled.path);
  }
  Labels labels = read(kind, folder, settled, reporter);
  apply_limit(labels, options.limit);
  return labels;
}

Task task_of(const Labels& labels) {
  if (std::holds_alternative<ClassLabels>(labels)) return Task::kClassify;
  return std::holds_alternative<DetectionLabels>(labels) ? Task::kDetect : Task::kSegment;
}

int64_t image_count(const Labels& labels) {
  return std::visit([](const auto& kind) { return static_cast<int64_t>(kind.images.size()); },
                    labels);
}

}  // namespace qtool::eval
