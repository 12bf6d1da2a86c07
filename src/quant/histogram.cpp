#include "qtool/quant/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"

namespace qtool::quant {

namespace {

constexpr int64_t kChunk = 8192;  // 32 KiB: bounds and counting both find it in the first-level cache

int64_t floor_bin(double value, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(value, -exponent)));
}

// Smallest exponent whose bins of absolute position k * 2^e cover [lo, hi] with kBins bins. It grows with the range and
// with the magnitude, so the final exponent depends on the final bounds only. The floor keeps bin numbers below 2^23,
// where float arithmetic on them is exact.
int needed_exponent(double lo, double hi) {
  const double magnitude = std::max(std::abs(lo), std::abs(hi));
  int exponent = std::max(std::ilogb(magnitude) - 21, -120);
  while (floor_bin(hi, exponent) - floor_bin(lo, exponent) >= Histogram::kBins) ++exponent;
  return exponent;
}

}  // namespace

double Histogram::bin_width() const { return std::ldexp(1.0, exponent_); }

void Histogram::coarsen_to(int exponent) {
  const int shift = exponent - exponent_;
  if (shift <= 0) return;
  std::vector<uint64_t> merged(kBins, 0);
  const int64_t new_first = first_bin_ >> shift;
  for (int64_t i = 0; i < kBins; ++i) {
    if (counts_[static_cast<size_t>(i)] == 0) continue;
    merged[static_cast<size_t>(((first_bin_ + i) >> shift) - new_first)] += counts_[static_cast<size_t>(i)];
  }
  counts_ = std::move(merged);
  first_bin_ = new_first;
  exponent_ = exponent;
}

void Histogram::make_room(double lo, double hi) {
  if (lo == 0.0 && hi == 0.0 && counts_.empty()) return;
  const double new_lo = finite_count_ == 0 ? lo : std::min(lo, min_);
  const double new_hi = finite_count_ == 0 ? hi : std::max(hi, max_);
  const int exponent = needed_exponent(new_lo, new_hi);
  if (counts_.empty()) {
    counts_.assign(kBins, 0);
    exponent_ = exponent;
    first_bin_ = floor_bin(new_lo, exponent);
    // Zeros seen before count now; without any, zero may lie outside of the bins.
    if (zero_only_count_ > 0) count_zeros(std::exchange(zero_only_count_, 0));
    return;
  }
  coarsen_to(exponent);
  const int64_t first = floor_bin(new_lo, exponent_);
  if (first < first_bin_) {  // make the first bin that of the new minimum
    const int64_t shift = first_bin_ - first;
    std::rotate(counts_.begin(), counts_.end() - shift, counts_.end());
    first_bin_ = first;
  }
}

void Histogram::count_zeros(int64_t zeros) {
  if (counts_.empty()) {
    zero_only_count_ += zeros;
  } else {
    counts_[static_cast<size_t>(floor_bin(0.0, exponent_) - first_bin_)] += static_cast<uint64_t>(zeros);
  }
}

Histogram Histogram::from_parts(const Parts& parts) {
  uint64_t counted = 0;
  for (const uint64_t count : parts.counts) counted += count;
  const bool only_zeros = parts.counts.empty();
  const auto finite = static_cast<uint64_t>(parts.finite_count);
  if (parts.counts.size() > kBins || parts.finite_count < 0 || parts.non_finite_count < 0 || (!only_zeros && counted != finite) ||
      parts.range.lo > parts.range.hi || (only_zeros && parts.range != Range{})) {
    throw Error(ErrorCode::kInvalidData, "the counts of a histogram do not fit its number of values or its range");
  }
  Histogram histogram;
  histogram.finite_count_ = parts.finite_count;
  histogram.non_finite_count_ = parts.non_finite_count;
  histogram.min_ = parts.range.lo;
  histogram.max_ = parts.range.hi;
  if (only_zeros) {
    histogram.zero_only_count_ = parts.finite_count;
    return histogram;
  }
  if (floor_bin(parts.range.lo, parts.exponent) != parts.first_bin || needed_exponent(parts.range.lo, parts.range.hi) != parts.exponent) {
    throw Error(ErrorCode::kInvalidData, "the bins of a histogram do not fit its range");
  }
  histogram.exponent_ = parts.exponent;
  histogram.first_bin_ = parts.first_bin;
  histogram.counts_ = parts.counts;
  histogram.counts_.resize(kBins, 0);
  return histogram;
}

// Counts of chunks that lie in the present bins, before they are added to them.
class Histogram::Pending {
 public:
  explicit Pending(std::vector<uint64_t>& counts) : counts_(counts) {}
  ~Pending() { flush(); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  // Tables of kBins counters, to be filled with `values` counts.
  uint32_t* tables(int64_t values) {
    if (values_ > kMost) flush();
    if (values_ == 0) tables_.fill(0);
    values_ += values;
    return tables_.data();
  }
  void flush() {
    if (values_ == 0) return;
    for (size_t bin = 0; bin < kBins; ++bin) {
      for (size_t t = 0; t < kTables; ++t) counts_[bin] += tables_[t * kBins + bin];
    }
    values_ = 0;
  }

 private:
  static constexpr size_t kTables = 4;                 // simd.histogram spreads neighbours over them
  static constexpr int64_t kMost = int64_t{1} << 30;   // far from 2^32
  std::vector<uint64_t>& counts_;
  std::array<uint32_t, kTables * kBins> tables_;
  int64_t values_ = 0;
};

void Histogram::add(std::span<const float> values) {
  const simd::Kernels& simd = simd::kernels();
  Pending pending(counts_);
  std::array<float, kChunk> finite;
  for (size_t at = 0; at < values.size(); at += kChunk) {
    const float* chunk = values.data() + at;
    auto n = static_cast<int64_t>(std::min<size_t>(kChunk, values.size() - at));
    float lo = std::numeric_limits<float>::infinity(), hi = -lo;
    const int64_t bad = simd.min_max(chunk, n, &lo, &hi);
    if (bad > 0) {
      non_finite_count_ += bad;
      const auto end = std::copy_if(chunk, chunk + n, finite.begin(), [](float x) { return std::isfinite(x); });
      chunk = finite.data();
      n = end - finite.begin();
    }
    if (n == 0) continue;
    if (counts_.empty() || lo < min_ || hi > max_) {
      pending.flush();  // the bins may move
      make_room(lo, hi);
    }
    min_ = finite_count_ == 0 ? lo : std::min<double>(min_, lo);
    max_ = finite_count_ == 0 ? hi : std::max<double>(max_, hi);
    finite_count_ += n;
    if (lo == 0.0f && hi == 0.0f) {
      count_zeros(n);
      continue;
    }
    simd.histogram(chunk, n, static_cast<float>(std::ldexp(1.0, -exponent_)), first_bin_, pending.tables(n), kBins);
  }
}

void Histogram::merge(const Histogram& other) {
  non_finite_count_ += other.non_finite_count_;
  if (other.empty()) return;
  make_room(other.min_, other.max_);
  min_ = empty() ? other.min_ : std::min(min_, other.min_);
  max_ = empty() ? other.max_ : std::max(max_, other.max_);
  finite_count_ += other.finite_count_;
  if (other.zero_only_count_ > 0) count_zeros(other.zero_only_count_);
  const int shift = exponent_ - other.exponent_;
  for (size_t i = 0; i < other.counts_.size(); ++i) {
    if (other.counts_[i] == 0) continue;
    const int64_t bin = (other.first_bin_ + static_cast<int64_t>(i)) >> shift;
    counts_[static_cast<size_t>(bin - first_bin_)] += other.counts_[i];
  }
}

}  // namespace qtool::quant
