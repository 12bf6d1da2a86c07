// Random choices that depend on (seed, layer, image) alone, so that they are the same on any number of threads and when
// a run is resumed half-way.
#pragma once

#include <cstdint>
#include <vector>

namespace qtool::rounding {

// SplitMix64 over the words of the key: a counter-based generator.
[[nodiscard]] uint64_t hashed(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);
// In [0, 1).
[[nodiscard]] double uniform(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);

// min(count, population) different indices below `population`, ascending: one at random from each of equal strata.
[[nodiscard]] std::vector<int64_t> sample_indices(uint64_t seed, uint64_t layer, uint64_t image, int64_t population, int64_t count);

// Images in random order, and which are kept aside for judging: every eighth, none of fewer than four, so that it is an
// eighth of the first n for every n.
struct ImageOrder {
  std::vector<int64_t> images;
  [[nodiscard]] bool held_out(int64_t place) const { return place % 8 == 3; }
};
[[nodiscard]] ImageOrder random_order(uint64_t seed, int64_t images);

}  // namespace qtool::rounding
