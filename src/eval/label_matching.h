// The account of a matching between labels and images, and the errors that come of it.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "image_folder.h"
#include "qtool/eval/labels.h"

namespace qtool::eval {

class LabelMatching {
 public:
  LabelMatching(const ImageFolder& folder, std::filesystem::path label_path)
      : folder_(folder), label_path_(std::move(label_path)) {}

  // Remembers the outcome of one look-up and returns it.
  const ImageFile* note(const std::string& label_name, const ImageFile* image);

  // Throws when nothing matched, or labels have no image (unless those are to be skipped); warns
  // about what is left out.
  void finish(const LabelOptions& options, Reporter& reporter) const;

 private:
  const ImageFolder& folder_;
  std::filesystem::path label_path_;
  std::set<const ImageFile*> used_;
  std::vector<std::string> missing_;
};

// "'a.jpg', 'b.jpg', 'c.jpg' and 7 more".
[[nodiscard]] std::string some_names(const std::vector<std::string>& names);

}  // namespace qtool::eval
