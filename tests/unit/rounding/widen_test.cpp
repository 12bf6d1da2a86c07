#include "widen.h"

#include <gtest/gtest.h>

namespace qtool::rounding {
namespace {

LayerSite site(int64_t inputs, int64_t outputs) {
  LayerSite s;
  s.shape = {.groups = 1, .inputs = inputs, .outputs = outputs};
  return s;
}

LayerReport line(double error, double wide, int bits = 4) { return {.node = "n", .method = "descent", .bits = bits, .error = error, .error_wide = wide}; }

TEST(Widen, TakesMostErrorAWeightFirstWithinTheShare) {
  const std::vector<LayerSite> sites = {site(10, 10), site(10, 1), site(10, 2), site(10, 87)};
  const std::vector<LayerReport> layers = {line(0.5, 0.1), line(0.2, 0.1), line(0.3, 0.2), line(0.4, 0.1)};  // 1000 weights
  EXPECT_EQ(layers_to_widen(layers, sites, 0.1), (std::vector<size_t>{1, 2}));  // 10 + 20; the first needs 100 of the 70 left
  EXPECT_EQ(layers_to_widen(layers, sites, 0.015), (std::vector<size_t>{1}));
  EXPECT_TRUE(layers_to_widen(layers, sites, 0.0).empty());
}

TEST(Widen, LayersThatBearTheirBitsStay) {
  const std::vector<LayerSite> sites = {site(10, 10), site(10, 10), site(10, 10)};
  const std::vector<LayerReport> layers = {line(0.104, 0.1), line(0.02, 0.016), line(0.5, 0.1, 8)};
  EXPECT_TRUE(layers_to_widen(layers, sites, 1.0).empty());
}

}  // namespace
}  // namespace qtool::rounding
