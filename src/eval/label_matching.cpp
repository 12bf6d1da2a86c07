#include "label_matching.h"

#include <algorithm>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace {

constexpr size_t kNamesShown = 3;

std::vector<std::string> first_images(const ImageFolder& folder) {
  std::vector<std::string> names;
  for (const ImageFile& image : folder.images()) names.push_back(image.name);
  return names;
}

}  // namespace

std::string some_names(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += format("{}'{}'", i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kNamesShown) text += format(" and {} more", names.size() - kNamesShown);
  return text;
}

const ImageFile* LabelMatching::note(const std::string& label_name, const ImageFile* image) {
  if (image) {
    used_.insert(image);
  } else {
    missing_.push_back(label_name);
  }
  return image;
}

void LabelMatching::finish(const LabelOptions& options, Reporter& reporter) const {
  if (used_.empty()) {
    throw Error(
        ErrorCode::kInvalidData,
        format("no label fits an image: the labels name {}, the image folder '{}' holds {}; "
               "check that both belong together",
               missing_.empty() ? "nothing" : some_names(missing_), folder_.path().string(),
               some_names(first_images(folder_))))
        .with("file", label_path_.string());
  }
  if (!missing_.empty()) {
    const std::string what =
        format("{} of {} labels have no image in '{}': {}", missing_.size(),
               missing_.size() + used_.size(), folder_.path().string(), some_names(missing_));
    if (!options.skip_missing_images) {
      throw Error(ErrorCode::kInvalidData,
                  what + "; give the folder that holds these images, or remove the labels")
          .with("file", label_path_.string());
    }
    reporter.warning(what + "; left out");
  }
  if (used_.size() < folder_.images().size()) {
    std::vector<std::string> unlabelled;
    for (const ImageFile& image : folder_.images()) {
      if (!used_.contains(&image)) unlabelled.push_back(image.name);
    }
    reporter.warning(format("{} of {} images have no label and are left out: {}", unlabelled.size(),
                            folder_.images().size(), some_names(unlabelled)));
  }
}

}  // namespace qtool::eval
