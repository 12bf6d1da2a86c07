// Writes the operators of an unrolled recurrent node, each with its type and a name below a common prefix.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ops/recurrent.h"
#include "qtool/ir/graph.h"

namespace qtool::passes {

using MaybeValue = std::optional<ir::ValueId>;  // empty: zeros, whose products and sums are left out

class StepWriter {
 public:
  // Operators of opset `opset` (at least 13) called "<prefix>/<name>".
  StepWriter(ir::Graph& graph, std::string prefix, int64_t opset) : graph_(graph), prefix_(std::move(prefix)), opset_(opset) {}

  using Attributes = std::map<std::string, ir::Attribute, std::less<>>;
  ir::ValueId add(std::string_view op_type, const std::string& name, std::vector<ir::ValueId> inputs, Shape shape, Attributes attributes = {});
  // As add(), but the result is a value that exists.
  void add_into(ir::ValueId target, std::string_view op_type, const std::string& name, std::vector<ir::ValueId> inputs, Attributes attributes = {});
  // One constant a name, whoever asks.
  ir::ValueId constant(const std::string& name, const Tensor& tensor);

  // Element by element, broadcasting the second operand to the shape of the first.
  ir::ValueId binary(std::string_view op_type, const std::string& name, ir::ValueId a, ir::ValueId b);
  ir::ValueId reshape(const std::string& name, ir::ValueId value, const Shape& shape);
  ir::ValueId transpose(const std::string& name, ir::ValueId value, const std::vector<int64_t>& perm);
  // x [rows, in] * weights [out, in] transposed, + bias [out].
  ir::ValueId product(const std::string& name, ir::ValueId x, ir::ValueId weights, MaybeValue bias = std::nullopt);
  ir::ValueId concat(const std::string& name, const std::vector<ir::ValueId>& parts, int64_t axis);
  // Pieces of these extents along `axis`, with these names; only those whose name is not empty.
  std::vector<ir::ValueId> parts(const std::string& name, ir::ValueId value, int64_t axis, const std::vector<int64_t>& extents,
                                 const std::vector<std::string>& names);
  ir::ValueId activation(const std::string& name, ir::ValueId x, const ops::RecurrentActivation& function);
  ir::ValueId clip(const std::string& name, ir::ValueId x, double bound);  // x itself for an infinite bound

  [[nodiscard]] const Shape& shape(ir::ValueId value) const { return graph_.type_of(value).shape; }
  [[nodiscard]] int64_t operators() const { return operators_; }

 private:
  [[nodiscard]] std::string full(const std::string& name) const { return prefix_ + "/" + name; }
  void add_node(std::string_view op_type, const std::string& name, std::vector<ir::ValueId> inputs, std::vector<ir::ValueId> outputs, Attributes attributes);
  ir::ValueId add_result(const std::string& name, Shape shape);
  ir::ValueId scaled(const std::string& name, ir::ValueId x, double factor);
  ir::ValueId slice(const std::string& name, ir::ValueId value, int64_t axis, int64_t begin, int64_t extent);

  ir::Graph& graph_;
  std::string prefix_;
  int64_t opset_;
  int64_t operators_ = 0;
  std::map<std::string, ir::ValueId> constants_;
};

}  // namespace qtool::passes
