#include "qtool/eval/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "qtool/support/error.h"

namespace qtool::eval {

namespace {

constexpr size_t kTop5 = 5;

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<int64_t> best_classes(std::span<const float> scores, size_t count) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto better = [&](int64_t a, int64_t b) {
    const float x = scores[static_cast<size_t>(a)], y = scores[static_cast<size_t>(b)];
    if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
    return x != y && !std::isnan(x) ? x > y : a < b;
  };
  const size_t kept = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(kept), order.end(),
                    better);
  order.resize(kept);
  return order;
}

double Accuracy::top1() const { return share(top1_hits, images); }
double Accuracy::top5() const { return share(top5_hits, images); }

void Accuracy::add(std::span<const int64_t> best, int64_t truth) {
  const auto top5_end = best.begin() + static_cast<ptrdiff_t>(std::min(best.size(), kTop5));
  ++images;
  top1_hits += !best.empty() && best[0] == truth;
  top5_hits += std::find(best.begin(), top5_end, truth) != top5_end;
}

double agreement(std::span<const int64_t> a, std::span<const int64_t> b) {
  QTOOL_CHECK(a.size() == b.size());
  if (a.empty()) return 1.0;
  int64_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  return share(equal, static_cast<int64_t>(a.size()));
}

}  // namespace qtool::eval
