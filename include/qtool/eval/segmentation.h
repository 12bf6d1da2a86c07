// Pixel-wise comparison of class maps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qtool/data/image.h"
#include "qtool/data/preprocess.h"
#include "qtool/tensor/tensor.h"

namespace qtool::eval {

inline constexpr int kIgnoredClass = 255;  // of masks
inline constexpr int64_t kMostClasses = 256;

// One cell of a confusion matrix that is not empty.
struct PixelCount {
  uint8_t truth = 0, predicted = 0;
  int64_t pixels = 0;
};

// counts[truth][predicted] in pixels.
class ConfusionMatrix {
 public:
  ConfusionMatrix() : counts_(kMostClasses * kMostClasses) {}
  // One luma channel of class indices each, of equal size; pixels whose truth is kIgnoredClass do
  // not count.
  void add(const data::Image& truth, const data::Image& predicted);
  void merge(const ConfusionMatrix& other);
  // Cells of one image, counted `times` times.
  void add(const std::vector<PixelCount>& cells, int64_t times);
  [[nodiscard]] std::vector<PixelCount> cells() const;

  // Mean over the classes that occur in the truth of |both| / |either|; 0 when none does.
  [[nodiscard]] double mean_iou() const;
  [[nodiscard]] double pixel_accuracy() const;
  // -1 for classes that do not occur in the truth; as long as the largest class that does.
  [[nodiscard]] std::vector<double> class_iou() const;
  [[nodiscard]] int64_t largest_true_class() const;  // -1 when there is none

 private:
  [[nodiscard]] int64_t at(int64_t truth, int64_t predicted) const {
    return counts_[static_cast<size_t>(truth * kMostClasses + predicted)];
  }
  [[nodiscard]] int64_t true_pixels(int64_t klass) const;
  [[nodiscard]] int64_t predicted_pixels(int64_t klass) const;
  [[nodiscard]] double iou(int64_t klass) const;

  std::vector<int64_t> counts_;
};

// Class indices of a PNG: 8-bit grey levels, or the indices of a palette. Throws
// Error(kInvalidData) for anything else.
[[nodiscard]] data::Image read_mask(const std::filesystem::path& path);

// Number of classes of a segmentation output: [1, C, h, w], or [1, h, w, C] for layout NHWC; 0 for
// a ready class map [1, h, w] or [1, 1, h, w]. Throws Error(kUnsupported) for other shapes.
[[nodiscard]] int64_t segmentation_classes(const Shape& output, data::Layout layout);

// The winning class of every pixel of the original picture: the part of the output that the picture
// covers, its largest score (first of equal ones), brought to the picture's size by nearest
// neighbour.
[[nodiscard]] data::Image class_map(const Tensor& output, data::Layout layout,
                                    const data::LetterboxGeometry& geometry, data::Size input);

}  // namespace qtool::eval
