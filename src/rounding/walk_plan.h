// How many images are carried from layer to layer, and how many are looked at.
//
// Early layers of a large input have more activations than memory, and more pixels than a fit needs; late layers the other
// way round. So the number of images in memory follows what fits: images leave where activations are large and join again
// later, run once from their files.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qtool::rounding {

// A layer as the plan sees it.
struct WalkStop {
  int64_t values = 0;          // activations of one image that are alive at its input; negative: unknown
  int64_t pixels = 1;          // output pixels of one image
  int64_t rows = 0;            // output pixels wanted of all images
};

// Images are numbered in the order in which they join.
struct WalkStep {
  int64_t stored = 0;          // images [0, stored) stay in memory at this layer
  int64_t visited = 0;         // images [0, visited) give rows; those not in memory are run from their files
};

struct WalkPlan {
  bool compact = false;        // activations are stored with 16 bits
  std::vector<WalkStep> steps;
};

// Bytes of one activation in memory: float model and quantized prefix together.
inline constexpr int64_t kWideBytes = 8, kCompactBytes = 4;

// With 16 bits only where not all images fit otherwise. `budget`: bytes for all images.
[[nodiscard]] WalkPlan plan_walk(std::span<const WalkStop> stops, int64_t images, int64_t budget);

}  // namespace qtool::rounding
