// Conv and ConvTranspose on oneDNN, with weights packed at plan time.
//
// Float mode fuses the bias and an activation. Simulation of a convolution whose input and weight are both on grids
// runs on integer levels (integer_product.h): the products are exact, then one multiply-add per channel.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "dnnl_support.h"
#include "integer_product.h"
#include "pointwise.h"
#include "qtool/exec/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/ops/window.h"
#include "qtool/tensor/simd.h"
#include "simd/float_kernels.h"
#include "threads.h"
#include "winograd.h"

namespace qtool::exec {

namespace {

using Dims = dnnl::memory::dims;
using Kind = FusedActivation::Kind;

struct Geometry {
  bool transposed = false;
  Shape source, target;
  int64_t groups = 1;
  Dims weight_dims;      // [g,] out, in, kernel...
  Dims weight_strides;   // of the ONNX tensor seen as weight_dims
  Dims strides, dilations, pads_begin, pads_end;
  int64_t out_channels = 0;
};

std::optional<Geometry> geometry_of(const KernelRequest& request, bool transposed) {
  const Shape& weight = request.input_shape(1);
  Geometry g{.transposed = transposed, .source = request.input_shape(0), .target = request.output_shape()};
  if (g.source.rank() < 3 || g.source.rank() > 5 || g.target.element_count() == 0) return std::nullopt;
  const auto window = transposed ? ops::conv_transpose_window(request.node, g.source, weight)
                                 : ops::conv_window(request.node, g.source, weight);
  g.groups = request.node.attr_int("group", 1);
  g.out_channels = g.target[1];
  const int64_t in_per_group = g.source[1] / g.groups, out_per_group = g.out_channels / g.groups;
  const int64_t kernel = weight.span_count(2, weight.rank());
  // Conv keeps [out, in/g, k]; ConvTranspose keeps [in, out/g, k]: both are read in place through strides.
  const int64_t out_stride = transposed ? kernel : in_per_group * kernel;
  const int64_t in_stride = transposed ? out_per_group * kernel : kernel;
  if (g.groups > 1) {
    g.weight_dims.push_back(g.groups);
    g.weight_strides.push_back(in_per_group * out_per_group * kernel);
  }
  g.weight_dims.insert(g.weight_dims.end(), {out_per_group, in_per_group});
  g.weight_strides.insert(g.weight_strides.end(), {out_stride, in_stride});
  const auto kernel_strides = Shape(std::vector<int64_t>(weight.begin() + 2, weight.end())).strides();
  for (size_t i = 0; i + 2 < weight.rank(); ++i) {
    g.weight_dims.push_back(weight[i + 2]);
    g.weight_strides.push_back(kernel_strides[i]);
    g.strides.push_back(window.strides[i]);
    g.dilations.push_back(window.dilations[i] - 1);
    const int64_t extent = (weight[i + 2] - 1) * window.dilations[i] + 1;
    const int64_t covered = transposed ? (g.source[i + 2] - 1) * window.strides[i] + extent - g.target[i + 2]
                                       : (g.target[i + 2] - 1) * window.strides[i] + extent - g.source[i + 2];
    g.pads_begin.push_back(window.pads_begin[i]);
    g.pads_end.push_back(covered - window.pads_begin[i]);
  }
  return g;
}

struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, bias, target, scratchpad;
  std::string impl;
};

// Silu is left to apply_silu.
void append_activation(dnnl::primitive_attr& attr, const FusedActivation& activation) {
  if (activation.kind == Kind::kNone) return;
  dnnl::post_ops ops;
  if (activation.kind == Kind::kRelu) ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  if (activation.kind == Kind::kClip) {
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip, std::max(activation.lo, -3e38f), std::min(activation.hi, 3e38f));
  }
  attr.set_post_ops(ops);
}

template <class Op>
Primitive describe(const typename Op::primitive_desc& pd) {
  return {Op(pd), pd.src_desc(), pd.weights_desc(), pd.bias_desc(), pd.dst_desc(), pd.scratchpad_desc(), pd.impl_info_str()};
}

std::optional<Primitive> make_primitive(const Geometry& g, Layout from, Layout to, bool with_bias,
                                        const FusedActivation& activation) {
  using dnnl::memory;
  const memory::desc source = dnnl_desc(g.source, from), target = dnnl_desc(g.target, to);
  const memory::desc weights(g.weight_dims, memory::data_type::f32, memory::format_tag::any);
  const memory::desc bias = with_bias ? plain_desc({g.out_channels}) : memory::desc();
  dnnl::primitive_attr attr = shared_attr();
  append_activation(attr, activation);
  try {
    if (g.transposed) {
      using Op = dnnl::deconvolution_forward;
      const Op::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, source, weights, bias,
                          target, g.strides, g.dilations, g.pads_begin, g.pads_end);
      return describe<Op>(Op::primitive_desc(desc, attr, dnnl_engine()));
    }
    using Op = dnnl::convolution_forward;
    const Op::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights, bias,
                        target, g.strides, g.dilations, g.pads_begin, g.pads_end);
    return describe<Op>(Op::primitive_desc(desc, attr, dnnl_engine()));
  } catch (const dnnl::error&) {
    return std::nullopt;  // this combination has no implementation
  }
}

struct Chosen {
  Primitive primitive;
  Layout from, to;
};

// Blocked first; a few input channels stay plain; plain GEMM form where the blocked one has no fast kernel.
std::optional<Chosen> choose_primitive(const KernelRequest& request, const Geometry& g, bool with_bias,
                                       const FusedActivation& activation) {
  const Layout blocked{request.block}, plain{};
  std::vector<std::pair<Layout, Layout>> attempts;
  if (g.source[1] <= 4 && g.groups == 1) attempts.emplace_back(plain, blocked);
  attempts.emplace_back(blocked, blocked);
  attempts.emplace_back(plain, plain);
  for (const auto& [from, to] : attempts) {
    auto primitive = make_primitive(g, from, to, with_bias, activation);
    if (primitive && !is_reference_impl(primitive->impl) && primitive->impl.find(":ref") == std::string::npos) {
      return Chosen{std::move(*primitive), from, to};
    }
  }
  return std::nullopt;
}

void execute(const Primitive& p, const void* source, const Tensor& weights, const Tensor* bias, void* target, std::byte* scratch) {
  std::unordered_map<int, dnnl::memory> args = {{DNNL_ARG_SRC, dnnl_memory(p.source, source)},
                                                {DNNL_ARG_WEIGHTS, dnnl_memory(p.weights, weights.raw())},
                                                {DNNL_ARG_DST, dnnl_memory(p.target, target)},
                                                {DNNL_ARG_SCRATCHPAD, dnnl_memory(p.scratchpad, scratch)}};
  if (bias != nullptr) args.emplace(DNNL_ARG_BIAS, dnnl_memory(p.bias, bias->raw()));
  p.primitive.execute(dnnl_stream(), args);
}

Tensor pack_weights(const Geometry& g, const Primitive& p, const Tensor& weights) {
  const dnnl::memory::desc stored(g.weight_dims, dnnl::memory::data_type::f32, g.weight_strides);
  return pack_constant(stored, weights.raw(), p.weights);
}

KernelChoice common_choice(const KernelRequest& request, const Chosen& chosen) {
  KernelChoice choice;
  choice.input_layouts = {chosen.from, Layout{}, Layout{}};
  choice.output_layouts = {chosen.to};
  choice.input_absorbed = {false, true, request.has_input(2)};
  return choice;
}

// oneDNN's own x * sigmoid(x) costs several times as much as a pass of ours over the result.
void apply_silu(float* y, int64_t count) {
  constexpr int64_t kPart = 1 << 16;
  intra_for((count + kPart - 1) / kPart, [&](int64_t part, int) {
    float* at = y + part * kPart;
    float_kernels().silu(at, at, std::min(kPart, count - part * kPart));
  });
}

std::optional<KernelChoice> float_conv(const KernelRequest& request, const Geometry& g) {
  const Tensor* bias = request.constant(2);
  const bool silu = request.activation.kind == Kind::kSilu;
  auto chosen = choose_primitive(request, g, bias != nullptr, silu ? FusedActivation{} : request.activation);
  if (!chosen) return std::nullopt;
  KernelChoice choice = common_choice(request, *chosen);
  choice.scratch_bytes = chosen->primitive.scratchpad.get_size();
  Tensor packed = pack_weights(g, chosen->primitive, *request.constant(1));
  const int64_t silu_count = silu ? physical_count(g.target, chosen->to) : 0;
  choice.kernel = make_kernel([primitive = std::move(chosen->primitive), packed, bias = bias ? *bias : Tensor(),
                               has_bias = bias != nullptr, silu_count](const KernelArgs& args) {
    execute(primitive, args.in[0], packed, has_bias ? &bias : nullptr, args.out[0], args.scratch);
    if (silu_count > 0) apply_silu(static_cast<float*>(args.out[0]), silu_count);
  });
  return choice;
}

// ---- simulation on integer levels -----------------------------------------------------------------------------

struct Epilogue {
  Shape shape;
  Layout layout;
  std::vector<float> scale, shift;  // by channel, padded to whole blocks
  FusedActivation activation;

  void finish(float* y, int64_t count) const {
    const simd::Kernels& simd = simd::kernels();
    if (activation.kind == Kind::kRelu) simd.relu(y, y, count);
    if (activation.kind == Kind::kClip) simd.clip(y, y, count, activation.lo, activation.hi);
    if (activation.kind == Kind::kSilu) simd.silu(y, nullptr, y, count);
  }

  // Calls fn(offset, rows, lanes, first channel) for runs whose channel index is the lane (blocked) or constant (plain).
  template <class Fn>
  void for_each_run(Fn&& fn) const {
    const int64_t spatial = shape.span_count(2, shape.rank());
    const int64_t lanes = layout.block;
    const int64_t blocks = (shape[1] + lanes - 1) / lanes;
    for (int64_t n = 0; n < shape[0]; ++n) {
      for (int64_t b = 0; b < blocks; ++b) fn((n * blocks + b) * spatial * lanes, spatial, lanes, b * lanes);
    }
  }

  void apply(float* y) const {
    const simd::Kernels& simd = simd::kernels();
    for_each_run([&](int64_t at, int64_t rows, int64_t lanes, int64_t channel) {
      const float* s = scale.data() + channel;
      const float* b = shift.data() + channel;
      if (lanes == 1) simd.affine(y + at, y + at, rows, *s, *b);
      else simd.affine_lanes(y + at, y + at, rows, lanes, s, b);
    });
    finish(y, physical_count(shape, layout));
  }

  void apply(const double* sums, float* y) const {
    for_each_run([&](int64_t at, int64_t rows, int64_t lanes, int64_t channel) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t l = 0; l < lanes; ++l) {
          const auto c = static_cast<size_t>(channel + l);
          const int64_t i = at + r * lanes + l;
          y[i] = static_cast<float>(sums[i] * static_cast<double>(scale[c])) + shift[c];
        }
      }
    });
    finish(y, physical_count(shape, layout));
  }
};

size_t align64(size_t bytes) { return (bytes + 63) / 64 * 64; }

std::optional<KernelChoice> integer_conv(const KernelRequest& request, const Geometry& g) {
  const quant::Encoding* activation = request.input_encodings[0];
  const quant::Encoding* weight = request.input_encodings[1];
  if (activation == nullptr || weight == nullptr) return std::nullopt;
  // A grouped ConvTranspose keeps output channels of a group on axis 1: the per-channel scales do not map one to one.
  if (g.transposed && g.groups > 1) return std::nullopt;
  const int64_t channel_axis = g.transposed ? 1 : 0;
  if (weight->per_channel() && weight->channel_axis != channel_axis) return std::nullopt;
  if (weight->per_block()) return std::nullopt;  // the scale changes inside a sum
  const Tensor levels = quant::level_tensor(*request.constant(1), *weight);
  const auto plan = plan_digits(*activation, levels, channel_axis);
  if (!plan) return std::nullopt;
  auto chosen = choose_primitive(request, g, false, {});
  if (!chosen) return std::nullopt;

  Epilogue epilogue{.shape = g.target, .layout = chosen->to, .activation = request.activation};
  const int64_t padded = (g.out_channels + chosen->to.block - 1) / chosen->to.block * chosen->to.block;
  epilogue.scale = product_scales(*activation, *weight, g.out_channels);
  epilogue.scale.resize(static_cast<size_t>(padded), 0.0f);
  if (const Tensor* bias = request.constant(2)) epilogue.shift = bias->to_float();
  epilogue.shift.resize(static_cast<size_t>(padded), 0.0f);

  KernelChoice choice = common_choice(request, *chosen);
  choice.exact_product = true;
  const int64_t source_count = physical_count(g.source, chosen->from);
  const int64_t target_count = physical_count(g.target, chosen->to);
  const size_t pad_bytes = align64(chosen->primitive.scratchpad.get_size());
  const size_t level_bytes = align64(static_cast<size_t>(source_count) * sizeof(float));
  const size_t sum_bytes = plan->digits > 1 ? static_cast<size_t>(target_count) * sizeof(double) : 0;
  choice.scratch_bytes = pad_bytes + level_bytes + sum_bytes;
  Tensor packed = pack_weights(g, chosen->primitive, levels);
  choice.kernel = make_kernel([primitive = std::move(chosen->primitive), packed, plan = *plan, epilogue, source_count,
                               target_count, pad_bytes, level_bytes](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    auto* y = static_cast<float*>(args.out[0]);
    auto* digits = reinterpret_cast<float*>(args.scratch + pad_bytes);
    auto* sums = reinterpret_cast<double*>(args.scratch + pad_bytes + level_bytes);
    for (int digit = 0; digit < plan.digits; ++digit) {
      extract_digit(plan, digit, x, digits, source_count);
      execute(primitive, digits, packed, nullptr, y, args.scratch);
      if (plan.digits == 1) return epilogue.apply(y);
      const double weight_of_digit = std::ldexp(1.0, plan.shift * digit);
      for (int64_t i = 0; i < target_count; ++i) sums[i] = (digit == 0 ? 0.0 : sums[i]) + weight_of_digit * y[i];
    }
    epilogue.apply(sums, y);
  });
  return choice;
}

KernelFactory conv(bool transposed) {
  return [transposed](const KernelRequest& request) -> std::optional<KernelChoice> {
    if (!request.all_float() || request.constant(1) == nullptr) return std::nullopt;
    if (request.has_input(2) && request.constant(2) == nullptr) return std::nullopt;
    const auto geometry = geometry_of(request, transposed);
    if (!geometry) return std::nullopt;
    if (auto choice = integer_conv(request, *geometry)) return choice;
    // Two operands on grids stay with products of the values as they are, whatever kept them off integer levels.
    const bool simulated = request.input_encodings[0] != nullptr && request.input_encodings[1] != nullptr;
    if (!transposed && !simulated) {
      if (auto choice = winograd_conv(request)) return choice;
      if (auto choice = pointwise_conv(request)) return choice;
    }
    return float_conv(request, *geometry);
  };
}

}  // namespace

void register_conv(Registry& registry) {
  registry.add("Conv", conv(false));
  registry.add("ConvTranspose", conv(true));
}

}  // namespace qtool::exec
