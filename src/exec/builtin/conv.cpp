// Conv and ConvTranspose on oneDNN, with weights packed at plan time.
//
// Float mode fuses the bias and an activation. Simulation of a convolution whose input and weight are both on grids
// runs on integer levels (integer_product.h): the products are exact, then one multiply-add per channel.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "dnnl_conv.h"
#include "grouped.h"
#include "integer_product.h"
#include "pointwise.h"
#include "qtool/exec/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/tensor/simd.h"
#include "simd/float_kernels.h"
#include "threads.h"
#include "winograd.h"

namespace qtool::exec {

namespace {

using namespace dnnl_conv;
using Kind = FusedActivation::Kind;

KernelChoice common_choice(const KernelRequest& request, Layout from, Layout to) {
  KernelChoice choice;
  choice.input_layouts = {from, Layout{}, Layout{}};
  choice.output_layouts = {to};
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
  KernelChoice choice = common_choice(request, chosen->from, chosen->to);
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

// Sums of products of floats, the weights packed inside.
struct Sums {
  Layout from, to;
  size_t scratch_bytes = 0;
  std::function<void(const float* x, float* y, std::byte* scratch)> run;
};

Sums sums_of(const Geometry& g, const Chosen& chosen, const Tensor& weights) {
  return {chosen.from, chosen.to, chosen.primitive.scratchpad.get_size(),
          [primitive = chosen.primitive, packed = pack_weights(g, chosen.primitive, weights)](const float* x, float* y, std::byte* scratch) {
            execute(primitive, x, packed, nullptr, y, scratch);
          }};
}

Sums sums_of(KernelChoice choice) {
  return {choice.input_layouts[0], choice.output_layouts[0], choice.scratch_bytes,
          [kernel = std::shared_ptr<const Kernel>(std::move(choice.kernel))](const float* x, float* y, std::byte* scratch) {
            const void* in[] = {x, nullptr, nullptr};
            void* out[] = {y};
            kernel->run({.in = in, .out = out, .scratch = scratch});
          }};
}

// Any kernel of oneDNN is better than none: the reference operator multiplies values, not levels, and rounds.
std::optional<Sums> choose_sums(const KernelRequest& request, const Geometry& g, const Tensor& weights) {
  if (groups_suit(request, g)) {
    if (const auto chosen = choose_primitive(request, g, false, {})) return sums_of(g, *chosen, weights);
  }
  if (!g.transposed) {
    if (auto choice = grouped_sums(request, weights)) return sums_of(std::move(*choice));
  }
  if (const auto chosen = choose_primitive(request, g, false, {}, Accept::kAny)) return sums_of(g, *chosen, weights);
  return std::nullopt;
}

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
  auto product = choose_sums(request, g, levels);
  if (!product) return std::nullopt;

  Epilogue epilogue{.shape = g.target, .layout = product->to, .activation = request.activation};
  const int64_t padded = (g.out_channels + product->to.block - 1) / product->to.block * product->to.block;
  epilogue.scale = product_scales(*activation, *weight, g.out_channels);
  epilogue.scale.resize(static_cast<size_t>(padded), 0.0f);
  if (const Tensor* bias = request.constant(2)) epilogue.shift = bias->to_float();
  epilogue.shift.resize(static_cast<size_t>(padded), 0.0f);

  KernelChoice choice = common_choice(request, product->from, product->to);
  choice.exact_product = true;
  const int64_t source_count = physical_count(g.source, product->from);
  const int64_t target_count = physical_count(g.target, product->to);
  const size_t pad_bytes = align64(product->scratch_bytes);
  const size_t level_bytes = align64(static_cast<size_t>(source_count) * sizeof(float));
  const size_t sum_bytes = plan->digits > 1 ? static_cast<size_t>(target_count) * sizeof(double) : 0;
  choice.scratch_bytes = pad_bytes + level_bytes + sum_bytes;
  choice.kernel = make_kernel([product = std::move(product->run), plan = *plan, epilogue, source_count, target_count, pad_bytes,
                               level_bytes](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    auto* y = static_cast<float*>(args.out[0]);
    auto* digits = reinterpret_cast<float*>(args.scratch + pad_bytes);
    auto* sums = reinterpret_cast<double*>(args.scratch + pad_bytes + level_bytes);
    for (int digit = 0; digit < plan.digits; ++digit) {
      extract_digit(plan, digit, x, digits, source_count);
      product(digits, y, args.scratch);
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
      if (!groups_suit(request, *geometry)) {
        if (auto choice = grouped_conv(request)) return choice;
      }
    }
    auto choice = float_conv(request, *geometry);
    if (!choice && !transposed) choice = grouped_conv(request);  // no kernel of oneDNN for this processor
    return choice;
  };
}

}  // namespace

void register_conv(Registry& registry) {
  registry.add("Conv", conv(false));
  registry.add("ConvTranspose", conv(true));
}

}  // namespace qtool::exec
