// Trilu: keeps the upper or lower triangle of the last two axes, k diagonals off the main one.
#include <algorithm>
#include <cstring>

#include "operands.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

template <class Context>
InferredTypes types(const Context& context) {
  const Shape& shape = operand_shape(context, 0);
  if (shape.rank() < 2) invalid_model("expected at least two axes, found shape {}", shape.text());
  return {operand_type(context, 0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  (void)types(context);
  Tensor result = context.input(0).clone();
  const size_t rank = result.shape().rank();
  const Tensor* offset = context.optional_input(1);
  const int64_t k = offset == nullptr ? 0 : single_int(*offset, "k");
  const bool upper = context.node().attr_int("upper", 1) != 0;
  const int64_t rows = result.shape()[rank - 2], columns = result.shape()[rank - 1];
  const int64_t matrices = result.shape().span_count(0, rank - 2);
  const size_t item = dtype_size_bytes(result.dtype());
  auto* row_start = static_cast<std::byte*>(result.mutable_raw());
  for (int64_t m = 0; m < matrices; ++m) {
    for (int64_t row = 0; row < rows; ++row, row_start += static_cast<size_t>(columns) * item) {
      // The diagonal k runs through column row + k; k may be anything, so the bound is clamped without overflow.
      const int64_t bounded_k = std::clamp<int64_t>(k, -rows - 1, columns + 1);
      const int64_t split = std::clamp<int64_t>(row + bounded_k + (upper ? 0 : 1), 0, columns);
      const int64_t first = upper ? 0 : split, last = upper ? split : columns;
      std::memset(row_start + static_cast<size_t>(first) * item, 0, static_cast<size_t>(last - first) * item);
    }
  }
  return {std::move(result)};
}

}  // namespace

void register_trilu(Registry& registry) {
  registry.add({.type = "Trilu",
                .first_opset = 14,
                .infer = types<InferContext>,
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
