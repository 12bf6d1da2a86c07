// The words of the enums of preprocess.h, the same in options, JSON and descriptions.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "qtool/data/preprocess.h"

namespace qtool::data {

template <class Enum>
struct Word {
  std::string_view text;
  Enum value;
};

inline constexpr std::array<Word<Interpolation>, 3> kInterpolationWords{
    {{"bilinear", Interpolation::kBilinear},
     {"bicubic", Interpolation::kBicubic},
     {"nearest", Interpolation::kNearest}}};
inline constexpr std::array<Word<Resampler>, 2> kResamplerWords{
    {{"pillow", Resampler::kPillow}, {"opencv", Resampler::kOpencv}}};
inline constexpr std::array<Word<PadAt>, 2> kPadAtWords{
    {{"center", PadAt::kCenter}, {"topleft", PadAt::kTopLeft}}};
inline constexpr std::array<Word<SizeRounding>, 2> kSizeRoundingWords{
    {{"round", SizeRounding::kHalfEven}, {"floor", SizeRounding::kFloor}}};
inline constexpr std::array<Word<ColorOrder>, 3> kColorWords{
    {{"RGB", ColorOrder::kRgb}, {"BGR", ColorOrder::kBgr}, {"GRAY", ColorOrder::kGray}}};
inline constexpr std::array<Word<Layout>, 2> kLayoutWords{
    {{"NCHW", Layout::kNchw}, {"NHWC", Layout::kNhwc}}};

template <class Enum, size_t kCount>
std::string_view word_of(const std::array<Word<Enum>, kCount>& words, Enum value) {
  for (const auto& word : words) {
    if (word.value == value) return word.text;
  }
  return "?";
}

// "short:256", "letterbox", ...
[[nodiscard]] std::string resize_text(const ResizeRule& rule);

}  // namespace qtool::data
