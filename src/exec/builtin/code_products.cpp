// Conv, Gemm and MatMul with a constant weight on 8-bit codes. A matrix product is a 1x1 convolution whose pixels are
// the rows.
#include <algorithm>

#include "code_layout.h"
#include "code_product.h"
#include "integer_product.h"
#include "qtool/exec/registry.h"
#include "qtool/quant/quantize.h"

namespace qtool::exec {

namespace {

// What Conv and matrix products have in common: grids, scales, and what happens to the sums.
std::optional<CodeProductSpec> common_spec(const KernelRequest& request, int64_t channel_axis, int64_t channels, const Tensor* bias) {
  const quant::Encoding* activation = request.input_code_grid(0);
  const quant::Encoding* weight = request.input_encodings[1];
  if (activation == nullptr || weight == nullptr || weight->bits > 8) return std::nullopt;
  if (weight->per_channel() && weight->channel_axis != channel_axis) return std::nullopt;
  CodeProductSpec spec;
  const Tensor levels = quant::level_tensor(*request.constant(1), *weight);
  const auto digits = plan_digits(*activation, levels, channel_axis);
  if (!digits) return std::nullopt;
  const auto values = levels.data<float>();
  spec.weight_levels.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) spec.weight_levels[i] = static_cast<int16_t>(values[i]);
  spec.input_lowest = activation->lowest_level();
  spec.scale = product_scales(*activation, *weight, channels);
  spec.bias = bias != nullptr ? bias->to_float() : std::vector<float>(static_cast<size_t>(channels), 0.0f);
  spec.sums_in_double = digits->digits > 1;
  spec.activation = request.activation;
  if (request.inner_encoding != nullptr) spec.grid = code_grid(*request.inner_encoding);
  else if (const auto* grid = request.output_code_grid()) spec.grid = code_grid(*grid);
  spec.table = request.output_table;
  return spec;
}

std::optional<KernelChoice> choose(const KernelRequest& request, const CodeProductSpec& spec, Layout codes) {
  auto product = make_code_product(spec);
  if (!product) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.input_layouts[0] = codes;
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts = {spec.grid ? codes : spec.float_layout};
  choice.exact_product = true;
  choice.scratch_bytes = product->scratch_bytes;
  choice.kernel = std::move(product->kernel);
  return choice;
}

std::optional<KernelChoice> conv(const KernelRequest& request) {
  if (!request.all_float() || request.constant(1) == nullptr) return std::nullopt;
  if (request.has_input(2) && request.constant(2) == nullptr) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  if (source.rank() < 3 || source.rank() > 4 || target.element_count() == 0) return std::nullopt;
  auto spec = common_spec(request, 0, target[1], request.constant(2));
  if (!spec) return std::nullopt;
  const ops::WindowParams window = ops::conv_window(request.node, source, request.input_shape(1));
  spec->shape = {.in_channels = source[1], .out_channels = target[1], .groups = request.node.attr_int("group", 1),
                 .window = ops::as_window_3d(window, source)};
  spec->batch = source[0];
  spec->float_layout = Layout{request.block};
  return choose(request, *spec, {.storage = Storage::kCodesChannelsLast});
}

// rows x depth codes times a constant stored [depth, columns] or [columns, depth].
struct MatrixProduct {
  int64_t rows, depth, columns;
  bool columns_first;
};

std::optional<KernelChoice> matrix_product(const KernelRequest& request, const MatrixProduct& p, const Tensor* bias) {
  auto spec = common_spec(request, p.columns_first ? 0 : 1, p.columns, bias);
  if (!spec) return std::nullopt;
  spec->shape = {.in_channels = p.depth, .out_channels = p.columns, .groups = 1,
                 .window = {.input = {1, 1, p.rows}, .kernel = {1, 1, 1}, .strides = {1, 1, 1}, .dilations = {1, 1, 1},
                            .pads_begin = {0, 0, 0}, .pads_end = {0, 0, 0}, .output = {1, 1, p.rows}}};
  if (!p.columns_first) {
    const std::vector<int16_t> stored = spec->weight_levels;
    for (int64_t k = 0; k < p.depth; ++k) {
      for (int64_t n = 0; n < p.columns; ++n) {
        spec->weight_levels[static_cast<size_t>(n * p.depth + k)] = stored[static_cast<size_t>(k * p.columns + n)];
      }
    }
  }
  return choose(request, *spec, {.storage = Storage::kCodes});
}

std::optional<KernelChoice> gemm(const KernelRequest& request) {
  if (!request.all_float() || request.constant(1) == nullptr || request.output_shape().element_count() == 0) return std::nullopt;
  const ir::Node& node = request.node;
  const Shape& a = request.input_shape(0);
  const int64_t m = request.output_shape()[0], n = request.output_shape()[1];
  const bool trans_a = node.attr_int("transA", 0) != 0, trans_b = node.attr_int("transB", 0) != 0;
  if (a.element_count() == 0 || (trans_a && m > 1) || node.attr_float("alpha", 1.0f) != 1.0f) return std::nullopt;
  const Tensor* bias = nullptr;
  if (request.has_input(2) && node.attr_float("beta", 1.0f) != 0.0f) {
    bias = request.constant(2);
    const bool is_row = bias != nullptr && bias->element_count() == n && bias->shape().rank() > 0 &&
                        bias->shape()[bias->shape().rank() - 1] == n;
    if (!is_row || node.attr_float("beta", 1.0f) != 1.0f) return std::nullopt;
  }
  return matrix_product(request, {m, a.element_count() / m, n, trans_b}, bias);
}

std::optional<KernelChoice> matmul(const KernelRequest& request) {
  if (!request.all_float() || request.constant(1) == nullptr || request.output_shape().element_count() == 0) return std::nullopt;
  const Shape& a = request.input_shape(0);
  const Shape& b = request.input_shape(1);
  if (a.rank() < 2 || b.rank() != 2 || a.element_count() == 0) return std::nullopt;
  return matrix_product(request, {a.element_count() / b[0], b[0], b[1], false}, nullptr);
}

}  // namespace

void register_code_products(Registry& registry) {
  registry.add_codes("Conv", conv);
  registry.add_codes("Gemm", gemm);
  registry.add_codes("MatMul", matmul);
}

}  // namespace qtool::exec
