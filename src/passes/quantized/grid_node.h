// The grid of a QuantizeLinear or DequantizeLinear node.
#pragma once

#include <optional>
#include <string>

#include "qtool/ir/graph.h"
#include "qtool/quant/encoding.h"

namespace qtool::passes {

struct GridNode {
  quant::Encoding encoding;
  DType dtype = DType::kUInt8;  // of the stored integers
  bool operator==(const GridNode& other) const;
};

[[nodiscard]] bool is_quantize(const ir::Node& node);
[[nodiscard]] bool is_dequantize(const ir::Node& node);

// nullopt, with the reason, when scale or zero point are no constants, vary by block, or are no float32 scales.
[[nodiscard]] std::optional<GridNode> grid_of(const ir::Graph& graph, const ir::Node& node, std::string* reason = nullptr);

}  // namespace qtool::passes
