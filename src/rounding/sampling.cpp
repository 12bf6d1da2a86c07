#include "sampling.h"

#include <algorithm>
#include <numeric>

#include "qtool/support/splitmix.h"

namespace qtool::rounding {

namespace {

constexpr uint64_t kOrderStream = 0x68656C64;  // keeps the choice of images apart from the choice of pixels

}  // namespace

uint64_t hashed(uint64_t seed, uint64_t a, uint64_t b, uint64_t c) {
  return splitmix(splitmix(splitmix(splitmix(seed) ^ a) ^ b) ^ c);
}

double uniform(uint64_t seed, uint64_t a, uint64_t b, uint64_t c) {
  return static_cast<double>(hashed(seed, a, b, c) >> 11) * 0x1.0p-53;
}

std::vector<int64_t> sample_indices(uint64_t seed, uint64_t layer, uint64_t image, int64_t population, int64_t count) {
  count = std::min(count, population);
  std::vector<int64_t> indices(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    // Strata [i * P / n, (i + 1) * P / n) hold at least one index each, because n <= P.
    const int64_t begin = i * population / count, end = (i + 1) * population / count;
    const auto within = static_cast<int64_t>(uniform(seed, layer, image, static_cast<uint64_t>(i)) * static_cast<double>(end - begin));
    indices[static_cast<size_t>(i)] = begin + std::min(within, end - begin - 1);
  }
  return indices;
}

ImageOrder random_order(uint64_t seed, int64_t images) {
  ImageOrder order;
  order.images.resize(static_cast<size_t>(images));
  std::iota(order.images.begin(), order.images.end(), int64_t{0});
  const auto key = [&](int64_t i) { return hashed(seed, kOrderStream, static_cast<uint64_t>(i), 0); };
  std::sort(order.images.begin(), order.images.end(), [&](int64_t a, int64_t b) { return key(a) < key(b); });
  return order;
}

}  // namespace qtool::rounding
