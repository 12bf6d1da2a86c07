// Writes an Einsum that is a batched matrix product as MatMul, which backends and integer kernels have.
// BEFORE   Einsum("bhid,bhjd->bhij")        AFTER   Transpose(b) -> MatMul -> y, with a Transpose wherever the order of axes differs
// REQUIRES two operands of known shape without an ellipsis; every letter is a batch axis (in both operands and the result), the
//          one row (first and result), the one column (second and result) or the one that is summed (both operands); no
//          batch axis is stretched
// FORMULA  y[b, m, n] = sum over k of x[b, m, k] * z[b, k, n]
// SOURCE   ONNX operator Einsum
#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;

struct Product {
  std::string first, second, result;  // labels of the axes
  std::string batch;                  // in the order of the result
  char row = 0, column = 0, summed = 0;
};

bool has(const std::string& text, char label) { return text.find(label) != std::string::npos; }

bool has_repeats(std::string labels) {
  std::ranges::sort(labels);
  return std::ranges::adjacent_find(labels) != labels.end();
}

std::optional<Product> parse(std::string equation) {
  std::erase(equation, ' ');
  const size_t comma = equation.find(','), arrow = equation.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow || has(equation, '.') || equation.find(',', comma + 1) != std::string::npos) {
    return std::nullopt;
  }
  Product product{.first = equation.substr(0, comma), .second = equation.substr(comma + 1, arrow - comma - 1), .result = equation.substr(arrow + 2)};
  if (has_repeats(product.first) || has_repeats(product.second) || has_repeats(product.result)) return std::nullopt;
  return product;
}

// Puts the label into its role; false when that role is taken, or there is none for it.
bool classify(Product& product, char label) {
  const bool in_first = has(product.first, label), in_second = has(product.second, label), in_result = has(product.result, label);
  if (in_first && in_second && in_result) return true;
  char* role = in_first && in_second ? &product.summed : in_first && in_result ? &product.row : in_second && in_result ? &product.column : nullptr;
  if (role == nullptr || *role != 0) return false;
  *role = label;
  return true;
}

std::optional<Product> as_matrix_product(const std::string& equation) {
  auto product = parse(equation);
  if (!product) return std::nullopt;
  std::string labels = product->first + product->second + product->result;
  std::ranges::sort(labels);
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  if (!std::ranges::all_of(labels, [&](char label) { return classify(*product, label); })) return std::nullopt;
  if (product->row == 0 || product->column == 0 || product->summed == 0) return std::nullopt;
  std::ranges::copy_if(product->result, std::back_inserter(product->batch), [&](char label) { return label != product->row && label != product->column; });
  return product;
}

// Axes of `from`, in the order of `to`.
std::vector<int64_t> order(const std::string& from, const std::string& to) {
  std::vector<int64_t> axes;
  for (const char label : to) axes.push_back(static_cast<int64_t>(from.find(label)));
  return axes;
}

// `value` with its axes in that order, through a Transpose where they are not.
ValueId arranged(Graph& graph, ValueId value, const std::string& from, const std::string& to, const std::string& name, int64_t opset) {
  if (from == to) return value;
  const TensorType type = graph.type_of(value);
  const std::vector<int64_t> perm = order(from, to);
  std::vector<int64_t> extents;
  for (const int64_t axis : perm) extents.push_back(type.shape[static_cast<size_t>(axis)]);
  const ValueId result = graph.add_value(graph.unique_name(name), TensorType{type.dtype, Shape(extents)});
  graph.add_node({.name = name, .op_type = "Transpose", .opset = opset, .inputs = {value}, .outputs = {result}, .attributes = {{"perm", perm}}});
  return result;
}

bool same_batch(const Product& product, const Shape& first, const Shape& second) {
  return std::ranges::all_of(product.batch, [&](char label) { return first[product.first.find(label)] == second[product.second.find(label)]; });
}

bool rewrite(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& node = graph.node(id);
  if (!is_op(node, "Einsum") || node.inputs.size() != 2) return false;
  const auto product = as_matrix_product(node.attr_string("equation", ""));
  const TensorType *first = known_type(graph, node.inputs[0]), *second = known_type(graph, node.inputs[1]), *result = known_type(graph, node.outputs[0]);
  if (!product || first == nullptr || second == nullptr || result == nullptr || !same_batch(*product, first->shape, second->shape)) return false;
  if (first->shape[product->first.find(product->summed)] != second->shape[product->second.find(product->summed)]) return false;
  const std::string name = node.name;
  const int64_t opset = node.opset;
  const std::array<ValueId, 2> inputs = {node.inputs[0], node.inputs[1]};
  const ValueId output = node.outputs[0];
  const std::string rows = product->batch + product->row + product->summed, columns = product->batch + product->summed + product->column;
  const std::string wanted = product->batch + product->row + product->column;
  const ValueId a = arranged(graph, inputs[0], product->first, rows, name + ".first", opset);
  const ValueId b = arranged(graph, inputs[1], product->second, columns, name + ".second", opset);
  if (wanted == product->result) {
    replace_producer(graph, output, {.op_type = "MatMul", .inputs = {a, b}});
    return true;
  }
  const TensorType type = graph.type_of(output);
  std::vector<int64_t> extents;
  for (const char label : wanted) extents.push_back(type.shape[product->result.find(label)]);
  const ValueId inner = graph.add_value(graph.unique_name(name + ".product"), TensorType{type.dtype, Shape(extents)});
  graph.add_node({.name = name + ".product", .op_type = "MatMul", .opset = opset, .inputs = {a, b}, .outputs = {inner}});
  replace_producer(graph, output, {.op_type = "Transpose", .inputs = {inner}, .attributes = {{"perm", order(wanted, product->result)}}});
  return true;
}

}  // namespace

void register_rewrite_einsum(Registry& registry) {
  registry.add_rewrite({.name = "rewrite_einsum",
                        .summary = "Writes an Einsum that is a batched matrix product as MatMul.",
                        .category = PassCategory::kCleanup,
                        .order = 12},
                       rewrite);
}

}  // namespace qtool::passes
