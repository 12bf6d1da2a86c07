#include "walk_plan.h"

#include <algorithm>

namespace qtool::rounding {

namespace {

constexpr int64_t kLeastVisited = 32;   // pixels of fewer images resemble each other too much
constexpr size_t kShortestStay = 8;     // layers: joining costs a run through everything before

std::vector<int64_t> fitting_images(std::span<const WalkStop> stops, int64_t images, int64_t budget, int64_t bytes) {
  std::vector<int64_t> fitting;
  for (const WalkStop& stop : stops) {
    fitting.push_back(stop.values < 0 ? 0 : std::min(images, budget / std::max<int64_t>(1, stop.values * bytes)));
  }
  return fitting;
}

// Best[i] = extreme of the values within `reach` before (or after) i.
template <class Better>
std::vector<int64_t> extreme(const std::vector<int64_t>& values, size_t before, size_t after, Better better) {
  std::vector<int64_t> best = values;
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t first = i < before ? 0 : i - before, last = std::min(values.size() - 1, i + after);
    for (size_t j = first; j <= last; ++j) best[i] = better(best[i], values[j]);
  }
  return best;
}

// Only stays of kShortestStay layers (or the whole walk) are left: a morphological opening.
std::vector<int64_t> without_short_stays(const std::vector<int64_t>& fitting) {
  if (fitting.empty()) return {};
  const size_t reach = std::min(kShortestStay, fitting.size()) - 1;
  const auto lesser = [](int64_t a, int64_t b) { return std::min(a, b); };
  const auto greater = [](int64_t a, int64_t b) { return std::max(a, b); };
  std::vector<int64_t> least = extreme(fitting, 0, reach, lesser);
  least.resize(fitting.size() - reach);  // a stay that starts later would end behind the last layer
  least.resize(fitting.size(), 0);
  return extreme(least, reach, 0, greater);
}

}  // namespace

WalkPlan plan_walk(std::span<const WalkStop> stops, int64_t images, int64_t budget) {
  WalkPlan plan;
  std::vector<int64_t> fitting = fitting_images(stops, images, budget, kWideBytes);
  plan.compact = std::any_of(fitting.begin(), fitting.end(), [&](int64_t count) { return count < images; });
  if (plan.compact) fitting = fitting_images(stops, images, budget, kCompactBytes);
  const std::vector<int64_t> stored = without_short_stays(fitting);
  for (size_t i = 0; i < stops.size(); ++i) {
    const int64_t needed = std::max(kLeastVisited, (stops[i].rows + stops[i].pixels - 1) / std::max<int64_t>(1, stops[i].pixels));
    plan.steps.push_back({stored[i], std::max(stored[i], std::min(images, needed))});
  }
  return plan;
}

}  // namespace qtool::rounding
