// Pictures brought to the size of a model's input, for those who look at them several times.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "qtool/data/image.h"
#include "qtool/data/preprocess.h"
#include "qtool/data/sample_source.h"

namespace qtool::data {

// Resized, still 8-bit levels, a quarter of the bytes of the tensor; cropping and padding are left to normalize().
struct FittedImage {
  Image image;
  Size original;
};

// apply(image) is normalize(fit(image)), in two steps. Errors are those of apply().
[[nodiscard]] FittedImage fit(Image image, const Preprocessing& preprocessing, const Shape& input_shape);
[[nodiscard]] Tensor normalize(const FittedImage& fitted, const Preprocessing& preprocessing, const Shape& input_shape);

// Decodes and resizes a file at its first use. Pictures stay until the budget is full; further ones are decoded at every
// use, which changes no result. Thread-safe.
class PictureCache {
 public:
  // Without a budget nothing is kept.
  PictureCache(Preprocessing preprocessing, Shape input_shape, size_t budget_bytes = 0);

  // Errors are those of read_image() and apply().
  [[nodiscard]] std::shared_ptr<const FittedImage> fitted(const std::filesystem::path& path) const;
  [[nodiscard]] Tensor tensor(const FittedImage& fitted) const { return normalize(fitted, preprocessing_, input_shape_); }

  [[nodiscard]] size_t bytes() const;  // of the pictures kept
  [[nodiscard]] const Preprocessing& preprocessing() const { return preprocessing_; }

 private:
  Preprocessing preprocessing_;
  Shape input_shape_;
  size_t budget_;
  mutable std::mutex mutex_;
  mutable std::map<std::filesystem::path, std::shared_ptr<const FittedImage>> kept_;
  mutable size_t bytes_ = 0;
};

// make_sample_source() that keeps up to `picture_budget` bytes of pictures, for several passes over them.
[[nodiscard]] std::unique_ptr<SampleSource> make_sample_source(SampleListing listing, std::vector<InputSpec> inputs,
                                                               const SampleOptions& options, size_t picture_budget);

}  // namespace qtool::data
