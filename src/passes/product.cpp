#include "product.h"

#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;

// x * x * x * constant, with a constant or two to spare; larger trees are no pattern of ours.
constexpr size_t kMostFactors = 4;

bool multiply_out(const Graph& graph, const Node& node, Product& product);

bool collect(const Graph& graph, ir::ValueId value, Product& product) {
  if (const auto scalar = scalar_constant(graph, value)) {
    product.scale *= *scalar;
    return true;
  }
  for (const char* type : {"Mul", "Div"}) {
    const Node* inner = single_producer_of(graph, value, type);
    if (inner != nullptr && (inner->op_type == "Mul" || scalar_constant(graph, inner->inputs[1]))) {
      return multiply_out(graph, *inner, product);
    }
  }
  product.factors.push_back(value);
  return product.factors.size() <= kMostFactors;
}

bool multiply_out(const Graph& graph, const Node& node, Product& product) {
  if (!is_op(node, "Div")) return collect(graph, node.inputs[0], product) && collect(graph, node.inputs[1], product);
  product.scale /= *scalar_constant(graph, node.inputs[1]);
  return collect(graph, node.inputs[0], product);
}

}  // namespace

std::optional<Product> as_product(const Graph& graph, const Node& root) {
  const bool division = is_op(root, "Div") && scalar_constant(graph, root.inputs[1]).has_value();
  if (!is_op(root, "Mul") && !division) return std::nullopt;
  Product product;
  if (!multiply_out(graph, root, product)) return std::nullopt;
  return product;
}

}  // namespace qtool::passes
