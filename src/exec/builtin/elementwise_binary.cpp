// Add, Sub, Mul, Div, Max, Min with numpy broadcasting, and Pow with exponent 2.
//
// Equal shapes run in the layout they lie in. A [N, C, 1, 1] factor on a blocked tensor (squeeze-and-excitation,
// folded affine constants) runs blocked too. Everything else is plain: trailing dimensions that match are one run.
#include <algorithm>

#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

using Member = void (*simd::Kernels::*)(const float*, const float*, float*, int64_t);

// Division may make NaN in padding lanes, which the next convolution would multiply with its zero weights.
bool safe_in_padding(Member op, const Shape& shape, Layout layout) {
  return layout.plain() || op != &simd::Kernels::div || shape[1] % layout.block == 0;
}

std::optional<KernelChoice> same_shape(const KernelRequest& request, Member op) {
  const Shape& shape = request.output_shape();
  if (request.input_shape(0) != shape || request.input_shape(1) != shape) return std::nullopt;
  Layout layout = request.input_layouts[0].plain() ? request.input_layouts[1] : request.input_layouts[0];
  if (!safe_in_padding(op, shape, layout)) layout = Layout{};
  KernelChoice choice;
  choice.input_layouts = {layout, layout};
  choice.output_layouts = {layout};
  choice.in_place_input = request.node.inputs[0] == request.node.inputs[1] ? -1 : 0;
  choice.kernel = make_kernel([op, count = physical_count(shape, layout)](const KernelArgs& args) {
    (simd::kernels().*op)(static_cast<const float*>(args.in[0]), static_cast<const float*>(args.in[1]),
                          static_cast<float*>(args.out[0]), count);
  });
  return choice;
}

// One side is a single element: a row of copies of it serves as the other operand.
void with_scalar(Member op, const float* tensor, float scalar, bool scalar_left, float* y, int64_t count) {
  constexpr int64_t kRun = 1024;
  float row[kRun];
  std::fill(row, row + std::min(kRun, count), scalar);
  for (int64_t at = 0; at < count; at += kRun) {
    const int64_t n = std::min(kRun, count - at);
    if (scalar_left) (simd::kernels().*op)(row, tensor + at, y + at, n);
    else (simd::kernels().*op)(tensor + at, row, y + at, n);
  }
}

std::optional<KernelChoice> scalar_operand(const KernelRequest& request, Member op) {
  const Shape& shape = request.output_shape();
  for (const size_t tensor : {size_t{0}, size_t{1}}) {
    const size_t scalar = 1 - tensor;
    if (request.input_shape(scalar).element_count() != 1 || request.input_shape(tensor) != shape) continue;
    Layout layout = request.input_layouts[tensor];
    if (!safe_in_padding(op, shape, layout)) layout = Layout{};
    KernelChoice choice;
    choice.input_layouts.assign(2, Layout{});
    choice.input_layouts[tensor] = layout;
    if (!request.input_layouts[scalar].plain()) choice.input_layouts[scalar] = Layout{};
    choice.output_layouts = {layout};
    choice.in_place_input = static_cast<int>(tensor);
    choice.kernel = make_kernel([op, tensor, scalar, count = physical_count(shape, layout)](const KernelArgs& args) {
      with_scalar(op, static_cast<const float*>(args.in[tensor]), *static_cast<const float*>(args.in[scalar]),
                  scalar == 0, static_cast<float*>(args.out[0]), count);
    });
    return choice;
  }
  return std::nullopt;
}

bool is_channel_vector(const Shape& shape, const Shape& full) {
  return shape.rank() == full.rank() && shape[0] == full[0] && shape[1] == full[1] &&
         std::all_of(shape.begin() + 2, shape.end(), [](int64_t d) { return d == 1; });
}

// Blocked tensor and [N, C, 1, 1]: one row of lanes for each channel block.
std::optional<KernelChoice> channel_operand(const KernelRequest& request, Member op) {
  const Shape& shape = request.output_shape();
  if (shape.rank() < 3) return std::nullopt;
  for (const size_t tensor : {size_t{0}, size_t{1}}) {
    const size_t vector = 1 - tensor;
    const Layout layout = request.input_layouts[tensor];
    if (layout.plain() || request.input_shape(tensor) != shape || !is_channel_vector(request.input_shape(vector), shape) ||
        !safe_in_padding(op, shape, layout)) {
      continue;
    }
    KernelChoice choice;
    choice.input_layouts = {layout, layout};
    choice.output_layouts = {layout};
    choice.in_place_input = static_cast<int>(tensor);
    const int64_t spatial = shape.span_count(2, shape.rank());
    const int64_t rows = physical_count(shape, layout) / (spatial * layout.block);
    choice.kernel = make_kernel([op, tensor, vector, rows, spatial, block = layout.block](const KernelArgs& args) {
      constexpr int64_t kPixels = 64;
      float repeated[kPixels * 16];
      const auto* x = static_cast<const float*>(args.in[tensor]);
      const auto* lanes = static_cast<const float*>(args.in[vector]);
      auto* y = static_cast<float*>(args.out[0]);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t pixels = std::min(kPixels, spatial);
        for (int64_t p = 0; p < pixels; ++p) std::copy_n(lanes + row * block, block, repeated + p * block);
        for (int64_t at = 0; at < spatial; at += kPixels) {
          const int64_t offset = (row * spatial + at) * block;
          const int64_t n = std::min(kPixels, spatial - at) * block;
          if (vector == 0) (simd::kernels().*op)(repeated, x + offset, y + offset, n);
          else (simd::kernels().*op)(x + offset, repeated, y + offset, n);
        }
      }
    });
    return choice;
  }
  return std::nullopt;
}

// General broadcast over plain tensors. The innermost run is either contiguous on both sides or constant on one.
struct BroadcastPlan {
  std::vector<int64_t> dims, stride_a, stride_b;  // outer dimensions, then one inner run
  int64_t inner = 1;
  bool a_constant = false, b_constant = false;    // along the inner run
};

std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& full) {
  std::vector<int64_t> strides(full.rank(), 0);
  const auto own = shape.strides();
  for (size_t i = 0; i < shape.rank(); ++i) {
    const size_t at = full.rank() - shape.rank() + i;
    strides[at] = shape[i] == 1 ? 0 : own[i];
  }
  return strides;
}

BroadcastPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& full) {
  BroadcastPlan plan;
  const auto sa = broadcast_strides(a, full), sb = broadcast_strides(b, full);
  size_t rank = full.rank();
  // The innermost dimension decides the kind of run; equal kinds outside of it are merged.
  bool first = true;
  int64_t run_a = 0, run_b = 0;
  while (rank > 0) {
    const size_t at = rank - 1;
    if (full[at] == 1) {
      --rank;
      continue;
    }
    if (first) {
      plan.inner = full[at];
      plan.a_constant = sa[at] == 0;
      plan.b_constant = sb[at] == 0;
      run_a = sa[at];
      run_b = sb[at];
      first = false;
    } else {
      const bool extends_a = sa[at] == (run_a == 0 ? 0 : plan.inner * run_a);
      const bool extends_b = sb[at] == (run_b == 0 ? 0 : plan.inner * run_b);
      if (!extends_a || !extends_b) break;
      plan.inner *= full[at];
    }
    --rank;
  }
  for (size_t i = 0; i < rank; ++i) {
    plan.dims.push_back(full[i]);
    plan.stride_a.push_back(sa[i]);
    plan.stride_b.push_back(sb[i]);
  }
  return plan;
}

void run_broadcast(Member op, const BroadcastPlan& plan, const float* a, const float* b, float* y) {
  int64_t outer = 1;
  for (const int64_t d : plan.dims) outer *= d;
  std::vector<int64_t> at(plan.dims.size(), 0);
  int64_t offset_a = 0, offset_b = 0;
  for (int64_t row = 0; row < outer; ++row, y += plan.inner) {
    if (plan.b_constant) with_scalar(op, a + offset_a, b[offset_b], false, y, plan.inner);
    else if (plan.a_constant) with_scalar(op, b + offset_b, a[offset_a], true, y, plan.inner);
    else (simd::kernels().*op)(a + offset_a, b + offset_b, y, plan.inner);
    for (size_t d = plan.dims.size(); d-- > 0;) {
      offset_a += plan.stride_a[d];
      offset_b += plan.stride_b[d];
      if (++at[d] < plan.dims[d]) break;
      offset_a -= plan.stride_a[d] * plan.dims[d];
      offset_b -= plan.stride_b[d] * plan.dims[d];
      at[d] = 0;
    }
  }
}

std::optional<KernelChoice> broadcast(const KernelRequest& request, Member op) {
  const BroadcastPlan plan = plan_broadcast(request.input_shape(0), request.input_shape(1), request.output_shape());
  if (plan.a_constant && plan.b_constant) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts = {Layout{}, Layout{}};
  choice.output_layouts = {Layout{}};
  choice.kernel = make_kernel([op, plan, empty = request.output_shape().element_count() == 0](const KernelArgs& args) {
    if (empty) return;
    run_broadcast(op, plan, static_cast<const float*>(args.in[0]), static_cast<const float*>(args.in[1]),
                  static_cast<float*>(args.out[0]));
  });
  return choice;
}

// Squares, the one power that box decoders raise to.
std::optional<KernelChoice> square(const KernelRequest& request) {
  const Tensor* exponent = request.constant(1);
  if (request.input_type(0).dtype != DType::kFloat32 || request.input_shape(0) != request.output_shape() || exponent == nullptr ||
      exponent->element_count() != 1 || exponent->to_float()[0] != 2.0f) {
    return std::nullopt;
  }
  const Layout layout = request.input_layouts[0];
  KernelChoice choice;
  choice.input_layouts = {layout, Layout{}};
  choice.input_absorbed = {false, true};
  choice.output_layouts = {layout};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([count = physical_count(request.output_shape(), layout)](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    simd::kernels().mul(x, x, static_cast<float*>(args.out[0]), count);
  });
  return choice;
}

KernelFactory binary(Member op) {
  return [op](const KernelRequest& request) -> std::optional<KernelChoice> {
    if (!request.all_float() || request.node.inputs.size() != 2 || request.output_shape().element_count() == 0) {
      return std::nullopt;
    }
    if (auto choice = same_shape(request, op)) return choice;
    if (auto choice = scalar_operand(request, op)) return choice;
    if (auto choice = channel_operand(request, op)) return choice;
    return broadcast(request, op);
  };
}

}  // namespace

void register_elementwise_binary(Registry& registry) {
  registry.add("Add", binary(&simd::Kernels::add));
  registry.add("Sum", binary(&simd::Kernels::add));
  registry.add("Sub", binary(&simd::Kernels::sub));
  registry.add("Mul", binary(&simd::Kernels::mul));
  registry.add("Div", binary(&simd::Kernels::div));
  registry.add("Pow", square);
  registry.add("Max", binary(&simd::Kernels::max));
  registry.add("Min", binary(&simd::Kernels::min));
}

}  // namespace qtool::exec
