// Labels of classifiers: a list, or a folder for each class.
#include <charconv>
#include <map>
#include <set>
#include <sstream>

#include "label_matching.h"
#include "label_readers.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSeparators = " \t,";
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text, std::string_view blanks) {
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

struct ListLine {
  std::string file;
  int64_t class_index = 0;
};

// The class is the last word, so that file names may contain spaces.
ListLine parse_line(std::string_view text, int line_number, const fs::path& list) {
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::kInvalidData,
                format("line {}: {}; expected `file class` with the number of the class, counted "
                       "from 0",
                       line_number, found))
        .with("file", list.string());
  };
  const size_t split = text.find_last_of(kSeparators);
  if (split == std::string_view::npos) fail(format("found only '{}'", text));
  const std::string_view word = text.substr(split + 1);
  ListLine line{std::string(trimmed(text.substr(0, split), kSeparators)), 0};
  const auto [end, error] =
      std::from_chars(word.data(), word.data() + word.size(), line.class_index);
  if (error != std::errc{} || end != word.data() + word.size() || line.class_index < 0) {
    fail(format("'{}' is not a class number", word));
  }
  return line;
}

}  // namespace

ClassLabels read_class_list(const ImageFolder& folder, const LabelOptions& options,
                            Reporter& reporter) {
  ClassLabels labels;
  LabelMatching matching(folder, options.path);
  std::map<const ImageFile*, int64_t> seen;
  std::istringstream lines(read_text_file(options.path));
  int line_number = 0;
  for (std::string raw; std::getline(lines, raw);) {
    ++line_number;
    const std::string_view text = trimmed(raw, kBlanks);
    if (text.empty() || text.front() == '#') continue;
    const ListLine line = parse_line(text, line_number, options.path);
    const ImageFile* image = matching.note(line.file, folder.find(line.file));
    if (!image) continue;
    const auto [entry, is_new] = seen.emplace(image, line.class_index);
    if (!is_new) {
      throw Error(ErrorCode::kInvalidData,
                  format("line {}: '{}' is listed a second time (class {}, before {})", line_number,
                         line.file, line.class_index, entry->second))
          .with("file", options.path.string());
    }
    labels.images.push_back({*image, line.class_index});
  }
  matching.finish(options, reporter);
  return labels;
}

ClassLabels read_class_folders(const ImageFolder& folder, Reporter& reporter) {
  std::vector<std::string> stray;
  std::map<std::string, int64_t> classes;  // sorted by name, as training scripts number them
  for (const ImageFile& image : folder.images()) {
    const fs::path name(image.name);
    if (name.has_parent_path()) {
      classes.emplace(name.begin()->string(), 0);
    } else {
      stray.push_back(image.name);
    }
  }
  if (classes.empty()) {
    throw Error(ErrorCode::kInvalidData,
                "no labels: the images do not lie in one folder a class; give a text file with "
                "lines `file class`, a COCO .json file, or a folder of masks or YOLO files")
        .with("file", folder.path().string());
  }
  if (!stray.empty()) {
    reporter.warning(format("{} images lie outside of the {} class folders and are left out: {}",
                            stray.size(), classes.size(), some_names(stray)));
  }
  int64_t next = 0;
  for (auto& [name, index] : classes) index = next++;
  ClassLabels labels;
  for (const ImageFile& image : folder.images()) {
    const fs::path name(image.name);
    if (name.has_parent_path()) {
      labels.images.push_back({image, classes.at(name.begin()->string())});
    }
  }
  return labels;
}

}  // namespace qtool::eval
