#include "qtool/quant/exact_sum.h"

#include <charconv>
#include <cmath>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::quant {

namespace {

constexpr int kLowestBit = -160;
constexpr int kMantissaBits = 53;
constexpr int64_t kLimbMask = 0xFFFFFFFF;
constexpr int64_t kCarryAfter = int64_t{1} << 30;  // each addition adds less than 2^32 to a limb

}  // namespace

void ExactSum::add(double value) {
  if (value == 0.0) return;
  QTOOL_CHECK(std::isfinite(value));
  int exponent = 0;
  auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(value, &exponent), kMantissaBits));
  int position = exponent - kMantissaBits - kLowestBit;
  if (position < 0) {
    mantissa /= position > -62 ? int64_t{1} << -position : INT64_MAX;  // towards zero: x and -x stay opposites
    position = 0;
  }
  const auto limb = static_cast<size_t>(position / 32);
  QTOOL_CHECK(limb + 2 < kLimbs);
  __int128 wide = static_cast<__int128>(mantissa) << (position % 32);
  limbs_[limb] += static_cast<int64_t>(wide & kLimbMask);
  wide >>= 32;
  limbs_[limb + 1] += static_cast<int64_t>(wide & kLimbMask);
  limbs_[limb + 2] += static_cast<int64_t>(wide >> 32);
  if (++waiting_ >= kCarryAfter) carry();
}

void ExactSum::carry() {
  for (size_t i = 0; i + 1 < kLimbs; ++i) {
    limbs_[i + 1] += limbs_[i] >> 32;
    limbs_[i] &= kLimbMask;
  }
  waiting_ = 0;
}

void ExactSum::merge(const ExactSum& other) {
  carry();
  ExactSum addend = other;
  addend.carry();
  for (size_t i = 0; i < kLimbs; ++i) limbs_[i] += addend.limbs_[i];
  carry();
}

ExactSum ExactSum::magnitude(bool& negative) const {
  ExactSum result = *this;
  result.carry();
  negative = result.limbs_[kLimbs - 1] < 0;
  if (negative) {
    for (int64_t& limb : result.limbs_) limb = -limb;
    result.carry();
  }
  return result;
}

double ExactSum::value() const {
  bool negative = false;
  const ExactSum positive = magnitude(negative);
  double result = 0.0;
  for (size_t i = kLimbs; i-- > 0;) {
    result += std::ldexp(static_cast<double>(positive.limbs_[i]), 32 * static_cast<int>(i) + kLowestBit);
  }
  return negative ? -result : result;
}

std::string ExactSum::text() const {
  bool negative = false;
  const ExactSum positive = magnitude(negative);
  std::string digits;
  for (size_t i = kLimbs; i-- > 0;) digits += format("{:08x}", positive.limbs_[i]);
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  const size_t last = digits.find_last_not_of('0');
  const auto exponent = kLowestBit + 4 * static_cast<int>(digits.size() - 1 - last);
  return format("{}{}p{}", negative ? "-" : "", digits.substr(first, last + 1 - first), exponent);
}

ExactSum ExactSum::from_text(std::string_view text) {
  ExactSum sum;
  if (text == "0") return sum;
  const auto bad = [&] { return Error(ErrorCode::kInvalidData, format("'{}' is not a sum such as -1f3p-12", text)); };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  const size_t split = rest.find('p');
  if (split == std::string_view::npos || split == 0) throw bad();
  int exponent = 0;
  const std::string_view tail = rest.substr(split + 1);
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
  if (error != std::errc() || end != tail.data() + tail.size() || (exponent - kLowestBit) % 4 != 0) throw bad();
  const std::string_view digits = rest.substr(0, split);
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = 0;
    const auto parsed = std::from_chars(&digits[i], &digits[i] + 1, digit, 16);
    const int position = exponent - kLowestBit + 4 * static_cast<int>(digits.size() - 1 - i);
    if (parsed.ec != std::errc() || position < 0 || position / 32 >= static_cast<int>(kLimbs)) throw bad();
    sum.limbs_[static_cast<size_t>(position / 32)] += static_cast<int64_t>(digit) << (position % 32);
  }
  if (negative) {
    for (int64_t& limb : sum.limbs_) limb = -limb;
  }
  sum.carry();
  return sum;
}

bool ExactSum::operator==(const ExactSum& other) const {
  ExactSum a = *this, b = other;
  a.carry();
  b.carry();
  return a.limbs_ == b.limbs_;
}

}  // namespace qtool::quant
