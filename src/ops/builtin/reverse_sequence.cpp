// ReverseSequence: reverses the first sequence_lens[b] steps of every batch entry; time and batch are axes 0 and 1.
#include <cstring>

#include "axes.h"
#include "qtool/ops/registry.h"

namespace qtool::ops {

namespace {

std::vector<Tensor> evaluate(const EvalContext& context) {
  const Tensor& input = context.input(0);
  const Shape& shape = input.shape();
  const int64_t time_axis = context.node().attr_int("time_axis", 0), batch_axis = context.node().attr_int("batch_axis", 1);
  if (shape.rank() < 2 || time_axis + batch_axis != 1 || time_axis * batch_axis != 0) {
    invalid_model("time_axis {} and batch_axis {} of an input of shape {} must be the first two axes", time_axis, batch_axis, shape.text());
  }
  const bool time_first = time_axis == 0;
  const int64_t steps = shape[time_first ? 0 : 1], batch = shape[time_first ? 1 : 0];
  const std::vector<int64_t> lengths = context.input(1).to_int64();
  if (static_cast<int64_t>(lengths.size()) != batch) invalid_model("{} sequence lengths for a batch of {}", lengths.size(), batch);
  const size_t slice_bytes = static_cast<size_t>(shape.span_count(2, shape.rank())) * dtype_size_bytes(input.dtype());
  Tensor result = input.clone();
  const auto* source = static_cast<const std::byte*>(input.raw());
  auto* target = static_cast<std::byte*>(result.mutable_raw());
  const auto slice = [&](int64_t step, int64_t b) {
    return static_cast<size_t>(time_first ? step * batch + b : b * steps + step) * slice_bytes;
  };
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = lengths[static_cast<size_t>(b)];
    if (length < 0 || length > steps) invalid_model("sequence length {} of {} steps", length, steps);
    for (int64_t t = 0; t < length; ++t) std::memcpy(target + slice(t, b), source + slice(length - 1 - t, b), slice_bytes);
  }
  return {std::move(result)};
}

}  // namespace

void register_reverse_sequence(Registry& registry) {
  registry.add({.type = "ReverseSequence",
                .first_opset = 10,
                .infer = [](const InferContext& context) -> InferredTypes { return {context.type(0)}; },
                .evaluate = evaluate,
                .traits = {.flow = ValueFlow::kMovesData}});
}

}  // namespace qtool::ops
