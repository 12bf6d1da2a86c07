// Where operators on integers keep their operands, scales and zero points.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/ir/graph.h"

namespace qtool::passes {

struct QuantizedOperand {
  size_t data = 0;
  size_t scale = 0;
  size_t zero_point = 0;
};

struct IntegerOperator {
  std::string float_op;
  std::vector<QuantizedOperand> operands;  // in the order of the float operator's inputs
  size_t result_scale = 0;
  size_t result_zero_point = 0;
  std::optional<size_t> bias;              // int32 with the scale operand 0 x operand 1
  std::vector<size_t> plain_inputs;        // inputs passed on in front of the operands
  int64_t weight_axis = 0;                 // of the scales of operand 1 where it has several
  std::string dropped_attribute;           // means nothing to the float operator
};

// nullopt for any other node.
[[nodiscard]] std::optional<IntegerOperator> integer_operator(const ir::Graph& graph, const ir::Node& node);

}  // namespace qtool::passes
