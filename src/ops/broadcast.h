// Element-wise functions of broadcast operands.
#pragma once

#include "strided_loop.h"
#include "typed_kernel.h"

namespace qtool::ops {

template <class Context>
[[nodiscard]] Shape broadcast_operands(const Context& context) {
  Shape shape = operand_shape(context, 0);
  for (size_t i = 1; i < context.input_count(); ++i) shape = broadcast_shapes(shape, operand_shape(context, i));
  return shape;
}

// result[...] = fn(a[...], b[...]); result has the broadcast shape.
template <class A, class B, class R, class Fn>
void map_broadcast(const Tensor& a, const Tensor& b, Tensor& result, Fn fn) {
  const StridedLoop<2> loop(result.shape().dims(), {broadcast_strides(a.shape(), result.shape()),
                                                    broadcast_strides(b.shape(), result.shape())});
  using CA = Compute<A>;
  using CB = Compute<B>;
  const int64_t step_a = loop.run_step(0), step_b = loop.run_step(1);
  R* target = mutable_elements<R>(result);
  loop.for_each_run([&](const auto& offsets, int64_t length) {
    const A* from_a = elements<A>(a) + offsets[0];
    const B* from_b = elements<B>(b) + offsets[1];
    // The three common patterns get loops of their own, which the compiler can vectorize.
    if (step_a == 1 && step_b == 1) {
      for (int64_t i = 0; i < length; ++i) target[i] = static_cast<R>(fn(static_cast<CA>(from_a[i]), static_cast<CB>(from_b[i])));
    } else if (step_a == 1 && step_b == 0) {
      const CB value = static_cast<CB>(*from_b);
      for (int64_t i = 0; i < length; ++i) target[i] = static_cast<R>(fn(static_cast<CA>(from_a[i]), value));
    } else if (step_a == 0 && step_b == 1) {
      const CA value = static_cast<CA>(*from_a);
      for (int64_t i = 0; i < length; ++i) target[i] = static_cast<R>(fn(value, static_cast<CB>(from_b[i])));
    } else {
      for (int64_t i = 0; i < length; ++i) {
        target[i] = static_cast<R>(fn(static_cast<CA>(from_a[i * step_a]), static_cast<CB>(from_b[i * step_b])));
      }
    }
    target += length;
  });
}

}  // namespace qtool::ops
