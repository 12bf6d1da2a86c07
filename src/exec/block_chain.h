// Convolutions behind each other that can run band by band: 1x1 expansion, depthwise, 1x1 projection, as in the inverted
// residual blocks of MobileNet and EfficientNet.
#pragma once

#include <optional>
#include <vector>

#include "qtool/exec/kernel.h"
#include "value_facts.h"

namespace qtool::exec {

struct ChainLayer {
  const ir::Node* conv;
  FusedActivation activation;
};

struct BlockChain {
  ChainLayer expand, depthwise, project;
  bool residual = false;                 // the block's input is added to its result
  std::vector<const ir::Node*> members;  // in order
  ir::ValueId source = ir::kNoValue, result = ir::kNoValue;
};

// The chain that begins with this Conv and whose inner values nobody else reads or watches. Float only.
[[nodiscard]] std::optional<BlockChain> find_block_chain(const ir::Graph& graph, const ValueFacts& facts, const ir::Node& node);

}  // namespace qtool::exec
