// GraphProto -> ir::Graph, subgraphs included.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "function_inliner.h"
#include "qtool/ir/graph.h"
#include "tensor_reader.h"

namespace qtool::onnxio {

class GraphBuilder {
 public:
  GraphBuilder(const TensorReader& tensors, FunctionInliner& functions) : tensors_(tensors), functions_(functions) {}

  // `input_types`: type of each graph input that is not an initializer, in order.
  [[nodiscard]] ir::Graph build(const onnx::GraphProto& proto, const Opsets& opsets,
                                const std::vector<TensorType>& input_types);

 private:
  // A graph under construction and the one around it.
  struct Scope {
    ir::Graph& graph;
    Scope* outer;
    std::vector<std::string> captured;  // names read from `outer`
  };

  void build_into(Scope& scope, const onnx::GraphProto& proto, const Opsets& opsets,
                  const std::vector<TensorType>* input_types);
  void add_initializers(Scope& scope, const onnx::GraphProto& proto);
  void declare_outputs(Scope& scope, const PendingNode& pending);
  void add_node(Scope& scope, const PendingNode& pending);
  [[nodiscard]] ir::Attribute read_attribute(Scope& scope, const onnx::AttributeProto& proto, const Opsets& opsets,
                                             std::vector<std::string>& captured);
  [[nodiscard]] Tensor read_constant(const onnx::NodeProto& node) const;
  // kNoValue when no graph around has a tensor of that name.
  [[nodiscard]] ir::ValueId resolve(Scope& scope, const std::string& name);
  [[nodiscard]] ir::ValueId resolve_or_fail(Scope& scope, const std::string& name);

  const TensorReader& tensors_;
  FunctionInliner& functions_;
};

// Graph inputs without the initializers that old files list among them.
[[nodiscard]] std::vector<const onnx::ValueInfoProto*> true_inputs(const onnx::GraphProto& proto);

}  // namespace qtool::onnxio
