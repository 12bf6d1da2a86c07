// AveragePool, MaxPool and LpPool over 1 to 3 spatial axes.
#include <cmath>
#include <limits>

#include "qtool/ops/registry.h"
#include "qtool/ops/window.h"
#include "qtool/support/error.h"
#include "real_values.h"

namespace qtool::ops {

namespace {

using Axes = Window3d::Axes;

// Calls visit(flat input offset in the plane, position) for the taps of one window that lie inside the input.
template <class Visit>
void visit_taps(const Window3d& w, const Axes& output, Visit&& visit) {
  Axes start;
  for (size_t i = 0; i < 3; ++i) start[i] = output[i] * w.strides[i] - w.pads_begin[i];
  for (int64_t kd = 0; kd < w.kernel[0]; ++kd) {
    const int64_t d = start[0] + kd * w.dilations[0];
    if (d < 0 || d >= w.input[0]) continue;
    for (int64_t kh = 0; kh < w.kernel[1]; ++kh) {
      const int64_t h = start[1] + kh * w.dilations[1];
      if (h < 0 || h >= w.input[1]) continue;
      for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
        const int64_t x = start[2] + kw * w.dilations[2];
        if (x >= 0 && x < w.input[2]) visit((d * w.input[1] + h) * w.input[2] + x, Axes{d, h, x});
      }
    }
  }
}

// Taps of a window inside the padded input. In ceil mode the last window may reach beyond the padding; what lies
// there counts in no divisor.
int64_t padded_tap_count(const Window3d& w, const Axes& output) {
  int64_t count = 1;
  for (size_t i = 0; i < 3; ++i) {
    int64_t inside = 0;
    for (int64_t k = 0; k < w.kernel[i]; ++k) {
      const int64_t at = output[i] * w.strides[i] - w.pads_begin[i] + k * w.dilations[i];
      if (at < w.input[i] + w.pads_end[i]) ++inside;
    }
    count *= inside;
  }
  return count;
}

// Calls pool(plane index, flat output index, output position) for every output element.
template <class Pool>
void for_each_output(const Window3d& w, int64_t planes, Pool&& pool) {
  int64_t flat = 0;
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t d = 0; d < w.output[0]; ++d) {
      for (int64_t h = 0; h < w.output[1]; ++h) {
        for (int64_t x = 0; x < w.output[2]; ++x) pool(plane, flat++, Axes{d, h, x});
      }
    }
  }
}

struct PoolProblem {
  Window3d window;
  int64_t planes;
  Shape output;
};

PoolProblem pool_problem(const EvalContext& context) {
  const Shape& input = context.input(0).shape();
  const WindowParams window = pool_window(context.node(), input);
  return {as_window_3d(window, input), input[0] * input[1], window_output_shape(input[0], input[1], window)};
}

InferredTypes infer_pool(const InferContext& context) {
  const Shape& input = context.shape(0);
  return {TensorType{context.dtype(0), window_output_shape(input[0], input[1], pool_window(context.node(), input))}};
}

std::vector<Tensor> evaluate_average_pool(const EvalContext& context) {
  const PoolProblem problem = pool_problem(context);
  const Window3d& w = problem.window;
  const bool count_include_pad = context.node().attr_int("count_include_pad", 0) != 0;
  const Reals x = to_reals(context.input(0));
  Reals y(static_cast<size_t>(problem.output.element_count()));
  for_each_output(w, problem.planes, [&](int64_t plane, int64_t flat, const Axes& at) {
    const double* source = x.data() + plane * w.input_count();
    double sum = 0.0;
    int64_t count = 0;
    visit_taps(w, at, [&](int64_t offset, const Axes&) { sum += source[offset], ++count; });
    if (count_include_pad) count = padded_tap_count(w, at);
    y[static_cast<size_t>(flat)] = count > 0 ? sum / static_cast<double>(count) : 0.0;
  });
  return {from_reals(context.input(0).dtype(), problem.output, y)};
}

InferredTypes infer_max_pool(const InferContext& context) {
  InferredTypes types = infer_pool(context);
  types.push_back(TensorType{DType::kInt64, types[0]->shape});
  return types;
}

std::vector<Tensor> evaluate_max_pool(const EvalContext& context) {
  const PoolProblem problem = pool_problem(context);
  const Window3d& w = problem.window;
  const bool column_major = context.node().attr_int("storage_order", 0) != 0;
  const Reals x = to_reals(context.input(0));
  Reals y(static_cast<size_t>(problem.output.element_count()), -std::numeric_limits<double>::infinity());
  Tensor indices(DType::kInt64, problem.output);
  const auto index = indices.mutable_data<int64_t>();
  for_each_output(w, problem.planes, [&](int64_t plane, int64_t flat, const Axes& at) {
    const double* source = x.data() + plane * w.input_count();
    double& best = y[static_cast<size_t>(flat)];
    bool first = true;
    visit_taps(w, at, [&](int64_t offset, const Axes& position) {
      const double value = source[offset];
      if (!first && !(value > best || (std::isnan(value) && !std::isnan(best)))) return;
      first = false;
      best = value;
      const int64_t column_offset = position[0] + w.input[0] * (position[1] + w.input[1] * position[2]);
      // A plane of rank 2 has input[0] = 1, so the same formula serves all ranks.
      index[static_cast<size_t>(flat)] = plane * w.input_count() + (column_major ? column_offset : offset);
    });
  });
  return {from_reals(context.input(0).dtype(), problem.output, y), std::move(indices)};
}

std::vector<Tensor> evaluate_lp_pool(const EvalContext& context) {
  const PoolProblem problem = pool_problem(context);
  const Window3d& w = problem.window;
  const auto p = static_cast<double>(context.node().attr_int("p", 2));
  const Reals x = to_reals(context.input(0));
  Reals y(static_cast<size_t>(problem.output.element_count()));
  for_each_output(w, problem.planes, [&](int64_t plane, int64_t flat, const Axes& at) {
    const double* source = x.data() + plane * w.input_count();
    double sum = 0.0;
    visit_taps(w, at, [&](int64_t offset, const Axes&) { sum += std::pow(std::abs(source[offset]), p); });
    y[static_cast<size_t>(flat)] = std::pow(sum, 1.0 / p);
  });
  return {from_reals(context.input(0).dtype(), problem.output, y)};
}

}  // namespace

void register_pooling(Registry& registry) {
  registry.add({.type = "AveragePool",
                .first_opset = 1,
                .notes = "1 to 3 spatial axes",
                .infer = infer_pool,
                .evaluate = evaluate_average_pool});
  registry.add({.type = "MaxPool",
                .first_opset = 1,
                .notes = "1 to 3 spatial axes",
                .infer = infer_max_pool,
                .evaluate = evaluate_max_pool,
                .traits = {.flow = ValueFlow::kMovesData}});
  registry.add({.type = "LpPool",
                .first_opset = 2,
                .notes = "1 to 3 spatial axes",
                .infer = infer_pool,
                .evaluate = evaluate_lp_pool});
}

}  // namespace qtool::ops
