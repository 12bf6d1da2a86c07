// The images of a folder or list, found again by the names that label files use.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "qtool/eval/labels.h"

namespace qtool::eval {

class ImageFolder {
 public:
  // Throws as data::list_samples, and Error(kInvalidData) when the files are not images.
  explicit ImageFolder(const std::filesystem::path& path);

  // By path below the folder, else by bare name. nullptr when absent; throws Error(kInvalidData)
  // when several images in different folders have that bare name.
  [[nodiscard]] const ImageFile* find(const std::string& name) const;
  // The same with the extensions of both sides left out.
  [[nodiscard]] const ImageFile* find_without_extension(const std::string& name) const;

  [[nodiscard]] const std::vector<ImageFile>& images() const { return images_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  using Index = std::map<std::string, std::vector<size_t>, std::less<>>;
  [[nodiscard]] const ImageFile* look_up(const std::string& name, const Index& by_path,
                                         const Index& by_bare_name) const;

  std::filesystem::path path_;
  std::vector<ImageFile> images_;
  Index by_path_, by_name_, by_path_stem_, by_stem_;
};

}  // namespace qtool::eval
