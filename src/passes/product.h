// Products spelled as trees of Mul and Div by scalars: exporters differ in the order of factors.
#pragma once

#include <optional>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::passes {

// scale * factors[0] * factors[1] * ...
struct Product {
  double scale = 1.0;
  std::vector<ir::ValueId> factors;
};

// Multiplies out the tree that ends in `root`, a Mul or a Div by a scalar constant. Inner nodes are followed while
// their result is read once. nullopt: `root` is neither, or the tree is large.
[[nodiscard]] std::optional<Product> as_product(const ir::Graph& graph, const ir::Node& root);

// The product of two values in `product`, when it has exactly `scale` (within 1e-5) and two factors that `matches`
// accepts in one of both orders.
template <class Matches>
[[nodiscard]] bool is_pair(const Product& product, double scale, Matches&& matches) {
  if (product.factors.size() != 2) return false;
  const double distance = product.scale - scale;
  if (distance > 1e-5 * scale || distance < -1e-5 * scale) return false;
  return matches(product.factors[0], product.factors[1]) || matches(product.factors[1], product.factors[0]);
}

}  // namespace qtool::passes
