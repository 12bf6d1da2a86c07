#include "qtool/calib/statistics.h"

namespace qtool::calib {

void TensorStatistics::merge(const TensorStatistics& other) {
  non_finite += other.non_finite;
  if (other.histogram) {
    if (histogram) histogram->merge(*other.histogram);
    else histogram = other.histogram;
  }
  if (other.channels) {
    if (channels) channels->merge(*other.channels);
    else channels = other.channels;
  }
  if (other.empty()) return;
  if (empty()) range = other.range;
  else range.include(other.range);
  count += other.count;
}

}  // namespace qtool::calib
