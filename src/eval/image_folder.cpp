#include "image_folder.h"

#include "qtool/data/sample_source.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::eval {

namespace fs = std::filesystem;

namespace {

std::string without_extension(const std::string& name) {
  return fs::path(name).replace_extension().generic_string();
}

std::string bare(const std::string& name) { return fs::path(name).filename().string(); }

std::string normal(const std::string& name) {
  return fs::path(name).lexically_normal().generic_string();
}

}  // namespace

ImageFolder::ImageFolder(const fs::path& path) : path_(path) {
  // Only the name of the input is used, as a key.
  const std::string key = "image";
  const data::SampleListing listing = data::list_samples(path, {{key, {}}});
  if (listing.kind != data::FileKind::kImage) {
    throw Error(ErrorCode::kInvalidData,
                format("labels need images (.jpg .jpeg .png .bmp), found {}",
                       data::file_kind_name(listing.kind)))
        .with("file", path.string());
  }
  for (const data::SampleFiles& files : listing.samples) {
    const size_t index = images_.size();
    images_.push_back({files.name, files.by_input.at(key)});
    by_path_[normal(files.name)].push_back(index);
    by_name_[bare(files.name)].push_back(index);
    by_path_stem_[normal(without_extension(files.name))].push_back(index);
    by_stem_[bare(without_extension(files.name))].push_back(index);
  }
}

const ImageFile* ImageFolder::look_up(const std::string& name, const Index& by_path,
                                      const Index& by_bare_name) const {
  auto found = by_path.find(normal(name));
  if (found == by_path.end()) {
    found = by_bare_name.find(bare(name));
    if (found == by_bare_name.end()) return nullptr;
  }
  const std::vector<size_t>& indices = found->second;
  if (indices.size() > 1) {
    throw Error(ErrorCode::kInvalidData,
                format("the label '{}' fits several images: '{}' and '{}'; write paths below the "
                       "image folder in the labels, or give a folder that holds one of them",
                       name, images_[indices[0]].name, images_[indices[1]].name))
        .with("file", path_.string());
  }
  return &images_[indices[0]];
}

const ImageFile* ImageFolder::find(const std::string& name) const {
  return look_up(name, by_path_, by_name_);
}

const ImageFile* ImageFolder::find_without_extension(const std::string& name) const {
  return look_up(without_extension(name), by_path_stem_, by_stem_);
}

}  // namespace qtool::eval
