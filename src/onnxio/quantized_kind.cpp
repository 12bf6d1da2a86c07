#include "qtool/onnxio/quantized_kind.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "qtool/support/format.h"

namespace qtool::onnxio {

namespace {

void count_nodes(const ir::Graph& graph, std::map<std::string, int>& counts) {
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    ++counts[node.op_type];
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* body = std::get_if<std::shared_ptr<ir::Graph>>(&attribute); body && *body) {
        count_nodes(**body, counts);
      }
    }
  }
}

bool is_integer_operator(std::string_view op_type) {
  // QLinear*: the standard and the contrib operators of ONNX Runtime; QGemm, QAttention: contrib only.
  static constexpr std::array<std::string_view, 6> kNames{"ConvInteger",           "MatMulInteger", "QGemm", "QAttention",
                                                          "DynamicQuantizeLinear", "MatMulNBits"};
  return op_type.starts_with("QLinear") || std::find(kNames.begin(), kNames.end(), op_type) != kNames.end();
}

}  // namespace

std::optional<std::string> quantized_kind(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  count_nodes(graph, counts);
  std::vector<std::string> integer_operators;
  for (const auto& [op_type, count] : counts) {
    if (is_integer_operator(op_type)) integer_operators.push_back(format("{} {}", op_type, count));
  }
  if (!integer_operators.empty()) return format("QOperator ({})", join(integer_operators, ", "));
  const int quantize = counts["QuantizeLinear"], dequantize = counts["DequantizeLinear"];
  if (quantize + dequantize == 0) return std::nullopt;
  return format("QDQ ({} QuantizeLinear, {} DequantizeLinear nodes)", quantize, dequantize);
}

}  // namespace qtool::onnxio
