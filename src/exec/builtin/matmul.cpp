// MatMul and Gemm on oneDNN. A constant right side is packed at plan time; simulation of two operands on grids runs on
// integer levels when the right side is constant.
#include <cmath>

#include "dnnl_support.h"
#include "integer_product.h"
#include "qtool/exec/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

namespace {

using Dims = dnnl::memory::dims;
using Kind = FusedActivation::Kind;

// Row-major operands as oneDNN sees them: equal rank, batch dimensions first.
struct Product {
  Dims a_dims, a_strides, b_dims, b_strides, y_dims;
  int64_t columns = 0;  // N
};

struct Primitive {
  dnnl::matmul primitive;
  dnnl::memory::desc a, b, bias, y, scratchpad;
};

std::optional<Primitive> make_primitive(const Product& p, bool pack_b, bool with_bias, const FusedActivation& activation) {
  using dnnl::memory;
  constexpr auto kF32 = memory::data_type::f32;
  const memory::desc a(p.a_dims, kF32, p.a_strides), y = plain_desc(p.y_dims);
  const memory::desc b = pack_b ? memory::desc(p.b_dims, kF32, memory::format_tag::any) : memory::desc(p.b_dims, kF32, p.b_strides);
  Dims bias_dims(p.y_dims.size(), 1);
  bias_dims.back() = p.columns;
  const memory::desc bias = plain_desc(bias_dims);
  dnnl::primitive_attr attr = shared_attr();
  if (activation.kind != Kind::kNone) {
    dnnl::post_ops ops;
    if (activation.kind == Kind::kRelu) ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    else if (activation.kind == Kind::kSilu) ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_swish, 1.0f, 0.0f);
    else ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip, std::max(activation.lo, -3e38f), std::min(activation.hi, 3e38f));
    attr.set_post_ops(ops);
  }
  try {
    const auto desc = with_bias ? dnnl::matmul::desc(a, b, bias, y) : dnnl::matmul::desc(a, b, y);
    const dnnl::matmul::primitive_desc pd(desc, attr, dnnl_engine());
    if (is_reference_impl(pd.impl_info_str())) return std::nullopt;
    return Primitive{dnnl::matmul(pd), pd.src_desc(), pd.weights_desc(), bias, pd.dst_desc(), pd.scratchpad_desc()};
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

void execute(const Primitive& p, const void* a, const void* b, const void* bias, void* y, std::byte* scratch) {
  std::unordered_map<int, dnnl::memory> args = {{DNNL_ARG_SRC, dnnl_memory(p.a, a)},
                                                {DNNL_ARG_WEIGHTS, dnnl_memory(p.b, b)},
                                                {DNNL_ARG_DST, dnnl_memory(p.y, y)},
                                                {DNNL_ARG_SCRATCHPAD, dnnl_memory(p.scratchpad, scratch)}};
  if (bias != nullptr) args.emplace(DNNL_ARG_BIAS, dnnl_memory(p.bias, bias));
  p.primitive.execute(dnnl_stream(), args);
}

struct Operands {
  const Tensor* b = nullptr;       // constant right side, already multiplied by alpha; null: computed
  Tensor b_storage;
  const Tensor* bias = nullptr;    // [N]
  Tensor bias_storage;
  int64_t b_channel_axis = 1;      // axis of N in the stored constant
};

std::optional<KernelChoice> integer_product(const KernelRequest& request, const Product& p, const Operands& operands) {
  const quant::Encoding* activation = request.input_encodings[0];
  const quant::Encoding* weight = request.input_encodings[1];
  if (activation == nullptr || weight == nullptr || operands.b == nullptr) return std::nullopt;
  if (weight->per_channel() && weight->channel_axis != operands.b_channel_axis) return std::nullopt;
  if (weight->per_block()) return std::nullopt;  // the scale changes inside a sum
  const Tensor levels = quant::level_tensor(*operands.b, *weight);
  const auto plan = plan_digits(*activation, levels, operands.b_channel_axis);
  if (!plan) return std::nullopt;
  auto primitive = make_primitive(p, true, false, {});
  if (!primitive) return std::nullopt;
  const std::vector<float> scale = product_scales(*activation, *weight, p.columns);
  std::vector<float> shift(static_cast<size_t>(p.columns), 0.0f);
  if (operands.bias != nullptr) shift = operands.bias->to_float();

  const int64_t a_count = Shape(p.a_dims).element_count(), y_count = Shape(p.y_dims).element_count();
  const auto align = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
  const size_t pad_bytes = align(primitive->scratchpad.get_size());
  const size_t level_bytes = align(static_cast<size_t>(a_count) * sizeof(float));
  KernelChoice choice;
  choice.exact_product = true;
  choice.scratch_bytes = pad_bytes + level_bytes + (plan->digits > 1 ? static_cast<size_t>(y_count) * sizeof(double) : 0);
  const dnnl::memory::desc stored(p.b_dims, dnnl::memory::data_type::f32, p.b_strides);
  Tensor packed = pack_constant(stored, levels.raw(), primitive->b);
  choice.kernel = make_kernel([primitive = std::move(*primitive), packed, plan = *plan, scale, shift, a_count, y_count, pad_bytes,
                               level_bytes, columns = p.columns, activation = request.activation](const KernelArgs& args) {
    auto* y = static_cast<float*>(args.out[0]);
    auto* digits = reinterpret_cast<float*>(args.scratch + pad_bytes);
    auto* sums = reinterpret_cast<double*>(args.scratch + pad_bytes + level_bytes);
    for (int digit = 0; digit < plan.digits; ++digit) {
      extract_digit(plan, digit, static_cast<const float*>(args.in[0]), digits, a_count);
      execute(primitive, digits, packed.raw(), nullptr, y, args.scratch);
      if (plan.digits == 1) break;
      const double weight_of_digit = std::ldexp(1.0, plan.shift * digit);
      for (int64_t i = 0; i < y_count; ++i) sums[i] = (digit == 0 ? 0.0 : sums[i]) + weight_of_digit * y[i];
    }
    const simd::Kernels& simd = simd::kernels();
    if (plan.digits == 1) {
      simd.affine_lanes(y, y, y_count / columns, columns, scale.data(), shift.data());
    } else {
      for (int64_t i = 0; i < y_count; ++i) {
        const auto c = static_cast<size_t>(i % columns);
        y[i] = static_cast<float>(sums[i] * static_cast<double>(scale[c])) + shift[c];
      }
    }
    if (activation.kind == Kind::kRelu) simd.relu(y, y, y_count);
    if (activation.kind == Kind::kClip) simd.clip(y, y, y_count, activation.lo, activation.hi);
    if (activation.kind == Kind::kSilu) simd.silu(y, nullptr, y, y_count);
  });
  return choice;
}

std::optional<KernelChoice> float_product(const KernelRequest& request, const Product& p, const Operands& operands) {
  auto primitive = make_primitive(p, operands.b != nullptr, operands.bias != nullptr, request.activation);
  if (!primitive) return std::nullopt;
  KernelChoice choice;
  choice.scratch_bytes = primitive->scratchpad.get_size();
  Tensor packed;
  if (operands.b != nullptr) {
    const dnnl::memory::desc stored(p.b_dims, dnnl::memory::data_type::f32, p.b_strides);
    packed = pack_constant(stored, operands.b->raw(), primitive->b);
  }
  choice.kernel = make_kernel([primitive = std::move(*primitive), packed, constant_b = operands.b != nullptr,
                               bias = operands.bias ? *operands.bias : Tensor(),
                               has_bias = operands.bias != nullptr](const KernelArgs& args) {
    execute(primitive, args.in[0], constant_b ? packed.raw() : args.in[1], has_bias ? bias.raw() : nullptr, args.out[0],
            args.scratch);
  });
  return choice;
}

std::optional<KernelChoice> product(const KernelRequest& request, const Product& p, const Operands& operands) {
  auto choice = integer_product(request, p, operands);
  if (!choice) choice = float_product(request, p, operands);
  if (!choice) return std::nullopt;
  choice->input_layouts.assign(request.node.inputs.size(), Layout{});
  choice->output_layouts = {Layout{}};
  choice->input_absorbed.assign(request.node.inputs.size(), false);
  choice->input_absorbed[1] = operands.b != nullptr;
  if (request.has_input(2)) choice->input_absorbed[2] = true;
  return choice;
}

Tensor scaled(const Tensor& tensor, float factor) {
  Tensor result = tensor.clone();
  for (float& value : result.mutable_data<float>()) value *= factor;
  return result;
}

std::optional<KernelChoice> gemm(const KernelRequest& request) {
  if (!request.all_float() || request.output_shape().element_count() == 0) return std::nullopt;
  const bool trans_a = request.node.attr_int("transA", 0) != 0, trans_b = request.node.attr_int("transB", 0) != 0;
  const float alpha = request.node.attr_float("alpha", 1.0f), beta = request.node.attr_float("beta", 1.0f);
  const Shape& a = request.input_shape(0);
  const Shape& y = request.output_shape();
  const int64_t m = y[0], n = y[1], k = trans_a ? a[0] : a[1];
  if (k == 0) return std::nullopt;
  Product p{.a_dims = {m, k}, .a_strides = trans_a ? Dims{1, m} : Dims{k, 1}, .b_dims = {k, n},
            .b_strides = trans_b ? Dims{1, k} : Dims{n, 1}, .y_dims = {m, n}, .columns = n};
  Operands operands{.b = request.constant(1), .b_channel_axis = trans_b ? 0 : 1};
  if (alpha != 1.0f) {
    // Scaling the weights moves them off their grid; simulation of such a Gemm is left to the reference.
    if (operands.b == nullptr || request.input_encodings[1] != nullptr) return std::nullopt;
    operands.b_storage = scaled(*operands.b, alpha);
    operands.b = &operands.b_storage;
  }
  if (request.has_input(2) && beta != 0.0f) {
    operands.bias = request.constant(2);
    const Shape& shape = request.input_shape(2);
    if (operands.bias == nullptr || operands.bias->element_count() != n || shape.rank() == 0 || shape[shape.rank() - 1] != n) {
      return std::nullopt;
    }
    if (beta != 1.0f) {
      operands.bias_storage = scaled(*operands.bias, beta);
      operands.bias = &operands.bias_storage;
    }
  }
  return product(request, p, operands);
}

std::optional<KernelChoice> matmul(const KernelRequest& request) {
  if (!request.all_float() || request.output_shape().element_count() == 0) return std::nullopt;
  const Shape& a = request.input_shape(0);
  const Shape& b = request.input_shape(1);
  const Shape& y = request.output_shape();
  if (a.rank() < 2 || b.rank() < 2 || a[a.rank() - 1] == 0) return std::nullopt;
  const int64_t m = a[a.rank() - 2], k = a[a.rank() - 1], n = b[b.rank() - 1];
  Operands operands{.b = request.constant(1), .b_channel_axis = static_cast<int64_t>(b.rank()) - 1};
  Product p{.columns = n};
  if (operands.b != nullptr && b.rank() == 2) {  // one matrix for the whole batch: rows of all batches together
    const int64_t rows = a.element_count() / k;
    p = {.a_dims = {rows, k}, .a_strides = {k, 1}, .b_dims = {k, n}, .b_strides = {n, 1}, .y_dims = {rows, n}, .columns = n};
    return product(request, p, operands);
  }
  const size_t rank = y.rank();
  const auto padded = [rank](const Shape& shape) {
    Dims dims(rank - shape.rank(), 1);
    dims.insert(dims.end(), shape.begin(), shape.end());
    return dims;
  };
  p.a_dims = padded(a);
  p.b_dims = padded(b);
  p.a_strides = Shape(p.a_dims).strides();
  p.b_strides = Shape(p.b_dims).strides();
  p.y_dims = y.dims();
  (void)m;
  operands.b = nullptr;  // batched constants are rare and small
  return product(request, p, operands);
}

}  // namespace

void register_matmul(Registry& registry) {
  registry.add("Gemm", gemm);
  registry.add("MatMul", matmul);
}

}  // namespace qtool::exec
