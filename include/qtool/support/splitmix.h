// A hash of 64 bits for random numbers that are keyed by what they are for, not by the order of drawing.
#pragma once

#include <cstdint>

namespace qtool {

// SOURCE Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators" (SplitMix64).
[[nodiscard]] constexpr uint64_t splitmix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

}  // namespace qtool
