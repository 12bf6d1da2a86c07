// A sum of doubles that does not depend on the order of the additions: a fixed-point number wide enough for all of them.
//
// Statistics of several threads, or of several machines, add up to the same bits in any grouping (compare Neal, "Fast exact
// summation using small and large superaccumulators", 2015).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace qtool::quant {

class ExactSum {
 public:
  // Finite values below 2^340; digits below 2^-160 are dropped. Throws Error(kInternal) for anything else.
  void add(double value);
  void merge(const ExactSum& other);
  [[nodiscard]] double value() const;

  // "-1f3p-12" is -0x1f3 * 2^-12; one spelling for each sum. from_text throws Error(kInvalidData).
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static ExactSum from_text(std::string_view text);

  bool operator==(const ExactSum& other) const;

 private:
  static constexpr size_t kLimbs = 16;  // of 32 bits each, held in 64 so that carries can wait
  using Limbs = std::array<int64_t, kLimbs>;

  void carry();
  [[nodiscard]] ExactSum magnitude(bool& negative) const;

  Limbs limbs_{};              // sum of limbs_[i] * 2^(32 i - 160)
  int64_t waiting_ = 0;        // additions since the last carry
};

}  // namespace qtool::quant
