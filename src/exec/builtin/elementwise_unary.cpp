// Element-wise functions of one tensor, in whatever layout it lies; and the fused x * sigmoid(x).
#include <limits>

#include "qtool/exec/registry.h"
#include "qtool/tensor/simd.h"
#include "simd/float_kernels.h"

namespace qtool::exec {

namespace {

// Padding lanes take part in the arithmetic, so only functions that stay finite on every finite input qualify.
using UnaryFn = void (*)(const simd::Kernels&, const ir::Node&, const float*, float*, int64_t);

template <auto Member>
void plain_call(const simd::Kernels& simd, const ir::Node&, const float* x, float* y, int64_t n) {
  (simd.*Member)(x, y, n);
}

void leaky_relu(const simd::Kernels& simd, const ir::Node& node, const float* x, float* y, int64_t n) {
  simd.leaky_relu(x, y, n, node.attr_float("alpha", 0.01f));
}

void hard_sigmoid(const simd::Kernels& simd, const ir::Node& node, const float* x, float* y, int64_t n) {
  simd.hard_sigmoid(x, y, n, node.attr_float("alpha", 0.2f), node.attr_float("beta", 0.5f));
}

KernelFactory unary(UnaryFn fn) {
  return [fn](const KernelRequest& request) -> std::optional<KernelChoice> {
    if (!request.all_float()) return std::nullopt;
    const Layout layout = request.input_layouts[0];
    KernelChoice choice;
    choice.input_layouts = {layout};
    choice.output_layouts = {layout};
    choice.in_place_input = 0;
    choice.kernel = make_kernel([fn, &node = request.node,
                                 count = physical_count(request.output_shape(), layout)](const KernelArgs& args) {
      fn(simd::kernels(), node, static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]), count);
    });
    return choice;
  };
}

// Off the grids of a simulation the bits need not agree between instruction sets.
void float_sigmoid(const simd::Kernels&, const ir::Node&, const float* x, float* y, int64_t n) { float_kernels().sigmoid(x, y, n); }

std::optional<KernelChoice> sigmoid(const KernelRequest& request) {
  const bool on_grid = !request.input_encodings.empty() && request.input_encodings[0] != nullptr;
  return unary(on_grid ? plain_call<&simd::Kernels::sigmoid> : float_sigmoid)(request);
}

std::optional<KernelChoice> gelu(const KernelRequest& request) {
  if (request.node.attr_string("approximate", "none") != "none") return std::nullopt;
  return unary(plain_call<&simd::Kernels::gelu>)(request);
}

std::optional<KernelChoice> silu(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Layout layout = request.input_layouts[0];
  KernelChoice choice;
  choice.input_layouts = {layout};
  choice.output_layouts = {layout, layout};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([count = physical_count(request.output_shape(), layout)](const KernelArgs& args) {
    simd::kernels().silu(static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[1]),
                         static_cast<float*>(args.out[0]), count);
  });
  return choice;
}

std::optional<float> bound(const KernelRequest& request, size_t slot, std::string_view attribute, float fallback) {
  if (!request.has_input(slot)) return request.node.attr_float(attribute, fallback);
  const Tensor* value = request.constant(slot);
  if (value == nullptr || value->element_count() != 1) return std::nullopt;
  return value->to_float()[0];
}

std::optional<KernelChoice> clip(const KernelRequest& request) {
  const auto lo = bound(request, 1, "min", -std::numeric_limits<float>::max());
  const auto hi = bound(request, 2, "max", std::numeric_limits<float>::max());
  if (!request.all_float() || !lo || !hi || *lo > *hi) return std::nullopt;
  const Layout layout = request.input_layouts[0];
  KernelChoice choice;
  choice.input_layouts = {layout};
  choice.input_absorbed = {false, true, true};
  choice.output_layouts = {layout};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([lo = *lo, hi = *hi,
                               count = physical_count(request.output_shape(), layout)](const KernelArgs& args) {
    simd::kernels().clip(static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[0]), count, lo, hi);
  });
  return choice;
}

}  // namespace

void register_elementwise_unary(Registry& registry) {
  registry.add("Relu", unary(plain_call<&simd::Kernels::relu>));
  registry.add("Sigmoid", sigmoid);
  registry.add("Tanh", unary(plain_call<&simd::Kernels::tanh>));
  registry.add("Erf", unary(plain_call<&simd::Kernels::erf>));
  registry.add("HardSwish", unary(plain_call<&simd::Kernels::hard_swish>));
  registry.add("LeakyRelu", unary(leaky_relu));
  registry.add("HardSigmoid", unary(hard_sigmoid));
  registry.add("Gelu", gelu);
  registry.add("Clip", clip);
  registry.add(kSiluStep, silu);
  const auto plain_only = [](KernelFactory factory) -> KernelFactory {
    return [factory](const KernelRequest& request) -> std::optional<KernelChoice> {
      // exp of exp may leave the finite range in padding lanes, and a square root of a negative lane is NaN.
      KernelRequest plain = request;
      plain.input_layouts[0] = Layout{};
      return factory(plain);
    };
  };
  registry.add("Exp", plain_only(unary(plain_call<&simd::Kernels::exp>)));
  registry.add("Sqrt", plain_only(unary(plain_call<&simd::Kernels::sqrt>)));
}

}  // namespace qtool::exec
