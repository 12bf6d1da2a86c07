#include "qtool/data/picture_cache.h"

namespace qtool::data {

PictureCache::PictureCache(Preprocessing preprocessing, Shape input_shape, size_t budget_bytes)
    : preprocessing_(std::move(preprocessing)), input_shape_(std::move(input_shape)), budget_(budget_bytes) {}

std::shared_ptr<const FittedImage> PictureCache::fitted(const std::filesystem::path& path) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(path); found != kept_.end()) return found->second;
  }
  auto made = std::make_shared<const FittedImage>(fit(read_image(path), preprocessing_, input_shape_));
  const size_t size = made->image.pixels.size();
  const std::lock_guard lock(mutex_);
  // Whoever comes second while a file is being decoded finds it here.
  if (bytes_ + size <= budget_ && kept_.emplace(path, made).second) bytes_ += size;
  return made;
}

size_t PictureCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace qtool::data
