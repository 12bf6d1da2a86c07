// Tells a model that is quantized already from a floating-point one.
#pragma once

#include <optional>
#include <string>

#include "qtool/ir/graph.h"

namespace qtool::onnxio {

// "QDQ (57 QuantizeLinear, 60 DequantizeLinear nodes)" or "QOperator (QLinearConv 53, QLinearAdd 10)";
// nullopt when no node of the graph or its subgraphs computes on integers of a quantization scheme.
[[nodiscard]] std::optional<std::string> quantized_kind(const ir::Graph& graph);

}  // namespace qtool::onnxio
