#include "qtool/eval/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "qtool/support/error.h"
#include "qtool/support/parallel.h"
#include "qtool/support/splitmix.h"

namespace qtool::eval {

namespace {

// Keyed by draw, so that any thread may make any of them.
std::vector<int32_t> draw_of(int64_t images, uint64_t seed, int64_t draw) {
  std::vector<int32_t> multiplicity(static_cast<size_t>(images), 0);
  uint64_t state = splitmix(seed ^ splitmix(static_cast<uint64_t>(draw)));
  for (int64_t i = 0; i < images; ++i) {
    state = splitmix(state);
    const auto image = static_cast<size_t>((static_cast<unsigned __int128>(state) * static_cast<uint64_t>(images)) >> 64);
    ++multiplicity[image];
  }
  return multiplicity;
}

double quantile(const std::vector<double>& sorted, double p) {
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<double> bootstrap_values(const ResampledMetric& metric, int64_t images, const BootstrapOptions& options) {
  QTOOL_CHECK(images > 0 && options.resamples > 0);
  std::vector<double> values(static_cast<size_t>(options.resamples));
  parallel_for(options.resamples, options.threads, [&](int64_t draw, int) {
    values[static_cast<size_t>(draw)] = metric.value(draw_of(images, options.seed, draw));
  });
  return values;
}

Interval bootstrap_drop(std::span<const double> reference, std::span<const double> test, double level) {
  QTOOL_CHECK(!test.empty() && reference.size() == test.size() && level > 0 && level < 1);
  std::vector<double> drops;
  for (size_t draw = 0; draw < test.size(); ++draw) drops.push_back(reference[draw] - test[draw]);
  std::sort(drops.begin(), drops.end());
  const double tail = (1 - level) / 2;
  return {quantile(drops, tail), quantile(drops, 1 - tail)};
}

}  // namespace qtool::eval
