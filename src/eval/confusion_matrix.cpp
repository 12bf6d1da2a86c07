#include <algorithm>

#include "qtool/eval/segmentation.h"
#include "qtool/support/error.h"

namespace qtool::eval {

void ConfusionMatrix::add(const data::Image& truth, const data::Image& predicted) {
  QTOOL_CHECK(truth.channels == 1 && predicted.channels == 1);
  QTOOL_CHECK(truth.pixels.size() == predicted.pixels.size());
  for (size_t i = 0; i < truth.pixels.size(); ++i) {
    if (truth.pixels[i] == kIgnoredClass) continue;
    ++counts_[static_cast<size_t>(truth.pixels[i] * kMostClasses + predicted.pixels[i])];
  }
}

void ConfusionMatrix::merge(const ConfusionMatrix& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void ConfusionMatrix::add(const std::vector<PixelCount>& cells, int64_t times) {
  for (const PixelCount& cell : cells) {
    counts_[static_cast<size_t>(cell.truth * kMostClasses + cell.predicted)] += times * cell.pixels;
  }
}

std::vector<PixelCount> ConfusionMatrix::cells() const {
  std::vector<PixelCount> cells;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    cells.push_back({static_cast<uint8_t>(i / kMostClasses), static_cast<uint8_t>(i % kMostClasses), counts_[i]});
  }
  return cells;
}

int64_t ConfusionMatrix::true_pixels(int64_t klass) const {
  int64_t sum = 0;
  for (int64_t predicted = 0; predicted < kMostClasses; ++predicted) sum += at(klass, predicted);
  return sum;
}

int64_t ConfusionMatrix::predicted_pixels(int64_t klass) const {
  int64_t sum = 0;
  for (int64_t truth = 0; truth < kMostClasses; ++truth) sum += at(truth, klass);
  return sum;
}

double ConfusionMatrix::iou(int64_t klass) const {
  const int64_t both = at(klass, klass);
  const int64_t either = true_pixels(klass) + predicted_pixels(klass) - both;
  return static_cast<double>(both) / static_cast<double>(std::max<int64_t>(either, 1));
}

int64_t ConfusionMatrix::largest_true_class() const {
  int64_t klass = kMostClasses - 1;
  while (klass >= 0 && true_pixels(klass) == 0) --klass;
  return klass;
}

std::vector<double> ConfusionMatrix::class_iou() const {
  std::vector<double> values;
  for (int64_t klass = 0; klass <= largest_true_class(); ++klass) {
    values.push_back(true_pixels(klass) == 0 ? -1.0 : iou(klass));
  }
  return values;
}

double ConfusionMatrix::mean_iou() const {
  double sum = 0;
  int64_t present = 0;
  for (const double value : class_iou()) {
    if (value < 0) continue;
    sum += value;
    ++present;
  }
  return present == 0 ? 0.0 : sum / static_cast<double>(present);
}

double ConfusionMatrix::pixel_accuracy() const {
  int64_t right = 0, all = 0;
  for (int64_t klass = 0; klass < kMostClasses; ++klass) {
    right += at(klass, klass);
    all += true_pixels(klass);
  }
  return all == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(all);
}

}  // namespace qtool::eval
