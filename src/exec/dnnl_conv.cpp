#include "dnnl_conv.h"

#include <algorithm>

#include "qtool/ops/window.h"

namespace qtool::exec::dnnl_conv {

namespace {

using Kind = FusedActivation::Kind;

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

bool is_fast(const std::optional<Primitive>& primitive) {
  return primitive && !is_reference_impl(primitive->impl) && primitive->impl.find(":ref") == std::string::npos;
}

// Measured with AVX-512: kernels 7 wide on large maps, where ours loads every input once a row, gain a tenth.
bool is_wide_depthwise(const KernelRequest& request, const Geometry& g) {
  constexpr int64_t kWideBlock = 16, kWidth = 7, kFewestPixels = 28 * 28;
  return request.block == kWideBlock && g.groups == g.source[1] && g.groups == g.out_channels && g.strides.back() == 1 &&
         g.dilations.back() == 0 && g.weight_dims.back() == kWidth && g.target.span_count(2, g.target.rank()) >= kFewestPixels;
}

}  // namespace

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

bool groups_suit(const KernelRequest& request, const Geometry& g) {
  if (g.transposed || g.groups == 1) return true;
  if (request.input_shape(1).span_count(2, request.input_shape(1).rank()) == 1 || is_wide_depthwise(request, g)) return false;
  const Layout blocked{request.block};
  return is_fast(make_primitive(g, blocked, blocked, request.has_input(2), {}));
}

std::optional<Chosen> choose_primitive(const KernelRequest& request, const Geometry& g, bool with_bias,
                                       const FusedActivation& activation, Accept accept) {
  const Layout blocked{request.block}, plain{};
  std::vector<std::pair<Layout, Layout>> attempts;
  if (g.source[1] <= 4 && g.groups == 1) attempts.emplace_back(plain, blocked);
  attempts.emplace_back(blocked, blocked);
  attempts.emplace_back(plain, plain);
  for (const auto& [from, to] : attempts) {
    auto primitive = make_primitive(g, from, to, with_bias, activation);
    if (is_fast(primitive) || (accept == Accept::kAny && primitive)) return Chosen{std::move(*primitive), from, to};
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

}  // namespace qtool::exec::dnnl_conv
