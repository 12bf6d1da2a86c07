#include "code_tables.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "activation_patterns.h"
#include "code_layout.h"
#include "qtool/exec/executor.h"

namespace qtool::exec {

namespace {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;

bool is_function_of_one(std::string_view op) {
  static const std::set<std::string_view> kOps = {
      "Abs", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log",
      "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Tanh",
      "ThresholdedRelu",
      // with a constant of one element
      "Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu"};
  return kOps.contains(op);
}

std::vector<uint8_t> all_codes() {
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  return codes;
}

// The real value of every code; codes above the highest level never occur and stand for the highest.
Tensor all_values(const quant::Encoding& encoding, Shape shape) {
  const simd::CodeGrid grid = code_grid(encoding);
  Tensor values(DType::kFloat32, std::move(shape));
  simd::code_kernels().decode(all_codes().data(), values.mutable_data<float>().data(), 256, grid);
  for (float& value : values.mutable_data<float>()) value = std::min(value, grid.highest * grid.scale);
  return values;
}

CodeTable encoded(const Tensor& values, const quant::Encoding& grid) {
  CodeTable table;
  simd::code_kernels().encode(values.data<float>().data(), table.data(), 256, code_grid(grid));
  return table;
}

}  // namespace

ValueId table_source(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || !is_function_of_one(node.op_type) || node.outputs.size() != 1) return kNoValue;
  ValueId source = kNoValue;
  for (const ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    if (const Tensor* constant = graph.constant(input)) {
      if (constant->element_count() != 1) return kNoValue;
    } else {
      if (source != kNoValue) return kNoValue;
      source = input;
    }
  }
  if (source == kNoValue || !graph.value(source).type || !graph.value(node.outputs[0]).type) return kNoValue;
  const TensorType& type = graph.type_of(source);
  return type == graph.type_of(node.outputs[0]) && type.shape.rank() > 0 ? source : kNoValue;
}

std::optional<TableChain> find_table_chain(const Graph& graph, ValueId source, const Node& first,
                                           const std::function<bool(ValueId gate, const Node& product)>& needs) {
  if (table_source(graph, first) != source) return std::nullopt;
  if (first.op_type == "Sigmoid") {
    const Node* product = find_silu_product(graph, first);
    if (product != nullptr && !needs(first.outputs[0], *product)) return TableChain{{&first, product}, product->outputs[0]};
  }
  return TableChain{{&first}, first.outputs[0]};
}

CodeTable make_table(const Graph& graph, ValueId source, const TableChain& chain, const model::EncodingTable& encodings) {
  Graph small;
  model::EncodingTable grids;
  std::map<ValueId, ValueId> copies;
  std::vector<int64_t> dims(graph.type_of(source).shape.rank(), 1);
  if (!dims.empty()) dims.back() = 256;
  const TensorType type{DType::kFloat32, Shape(dims)};
  const auto copy = [&](ValueId id) {
    if (const auto at = copies.find(id); at != copies.end()) return at->second;
    const ir::Value& value = graph.value(id);
    const ValueId made = value.constant ? small.add_constant(value.name, *value.constant) : small.add_value(value.name, type);
    if (const auto grid = encodings.find(id); grid != encodings.end() && !value.constant) grids[made] = grid->second;
    return copies[id] = made;
  };
  small.inputs = {copy(source)};
  for (const Node* member : chain.members) {
    Node node = *member;
    for (ValueId& id : node.inputs) id = id == kNoValue ? id : copy(id);
    for (ValueId& id : node.outputs) id = id == kNoValue ? id : copy(id);
    small.add_node(std::move(node));
  }
  small.outputs = {copies.at(chain.result)};
  const Tensor values = all_values(encodings.at(source).encoding, type.shape);
  const Executor executor(small, {.encodings = &grids, .integer_kernels = IntegerKernels::kOff});
  return encoded(executor.new_session().run({values})[0], encodings.at(chain.result).encoding);
}

CodeTable make_table(const quant::Encoding& from, const quant::Encoding& to) {
  return encoded(all_values(from, {256}), to);
}

}  // namespace qtool::exec
