#include "qtool/model/target_profile.h"

#include <algorithm>
#include <cmath>

namespace qtool::model {

double TargetProfile::minimum_range(int bits) const {
  if (min_scale <= 0.0) return min_range;
  const double steps = std::ldexp(1.0, bits) - 1.0;
  return std::min(min_scale * steps, 0.01);
}

quant::Symmetry TargetProfile::symmetry(bool symmetric) const {
  if (!symmetric) return quant::Symmetry::kAsymmetric;
  if (strict_symmetric) return quant::Symmetry::kStrictSymmetric;
  return unsigned_symmetric ? quant::Symmetry::kUnsignedSymmetric : quant::Symmetry::kSymmetric;
}

}  // namespace qtool::model
