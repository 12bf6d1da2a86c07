// LpNormalization: divides by the 1- or 2-norm along one axis; a zero norm leaves zeros.
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

InferredTypes infer(const InferContext& context) {
  (void)context.shape(0).normalize_axis(context.node().attr_int("axis", -1));
  return {context.type(0)};
}

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& shape = input.shape();
  const size_t axis = shape.normalize_axis(context.node().attr_int("axis", -1));
  const int64_t p = context.node().attr_int("p", 2);
  if (p != 1 && p != 2) throw Error(ErrorCode::kInvalidModel, format("p is {}, expected 1 or 2", p));
  const int64_t outer = shape.span_count(0, axis), inner = shape.span_count(axis + 1, shape.rank());
  Reals values = to_reals(input);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      double* first = values.data() + o * shape[axis] * inner + i;
      double norm = 0.0;
      for (int64_t k = 0; k < shape[axis]; ++k) {
        const double value = first[k * inner];
        norm += p == 1 ? std::abs(value) : value * value;
      }
      if (p == 2) norm = std::sqrt(norm);
      for (int64_t k = 0; k < shape[axis]; ++k) first[k * inner] = norm == 0.0 ? 0.0 : first[k * inner] / norm;
    }
  }
  return {from_reals(input.dtype(), shape, values)};
}

}  // namespace

void register_lp_normalization(Registry& registry) {
  registry.add({.type = "LpNormalization", .first_opset = 1, .infer = infer, .evaluate = evaluate});
}

}  // namespace qtool::ops
