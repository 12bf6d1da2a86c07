// Poolings on oneDNN in the layout the input lies in; global averages with our own double-precision sums.
#include <algorithm>

#include "dnnl_support.h"
#include "qtool/exec/registry.h"
#include "qtool/ops/window.h"

namespace qtool::exec {

namespace {

std::optional<KernelChoice> window_pool(const KernelRequest& request, bool average) {
  if (!request.all_float() || request.node.outputs.size() != 1) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  if (source.rank() < 3 || source.rank() > 5 || target.element_count() == 0) return std::nullopt;
  const ops::WindowParams window = ops::pool_window(request.node, source);
  dnnl::memory::dims pads_end;
  const bool include_pad = average && request.node.attr_int("count_include_pad", 0) != 0;
  for (size_t i = 0; i < window.rank(); ++i) {
    if (window.dilations[i] != 1) return std::nullopt;
    pads_end.push_back((target[i + 2] - 1) * window.strides[i] + window.kernel[i] - source[i + 2] - window.pads_begin[i]);
    // The part of a window that ceil_mode adds past the declared padding does not count; oneDNN would count it.
    if (include_pad && pads_end.back() != window.pads_end[i]) return std::nullopt;
  }
  const Layout layout = request.input_layouts[0].plain() && source[1] >= request.block ? Layout{request.block}
                                                                                       : request.input_layouts[0];
  const auto algorithm = !average     ? dnnl::algorithm::pooling_max
                         : include_pad ? dnnl::algorithm::pooling_avg_include_padding
                                       : dnnl::algorithm::pooling_avg_exclude_padding;
  using Op = dnnl::pooling_forward;
  try {
    const Op::desc desc(dnnl::prop_kind::forward_inference, algorithm, dnnl_desc(source, layout), dnnl_desc(target, layout),
                        window.strides, window.kernel, window.pads_begin, pads_end);
    const Op::primitive_desc pd(desc, shared_attr(), dnnl_engine());
    if (is_reference_impl(pd.impl_info_str())) return std::nullopt;
    KernelChoice choice;
    choice.input_layouts = {layout};
    choice.output_layouts = {layout};
    choice.scratch_bytes = pd.scratchpad_desc().get_size();
    choice.kernel = make_kernel([primitive = Op(pd), from = pd.src_desc(), to = pd.dst_desc(),
                                 scratchpad = pd.scratchpad_desc()](const KernelArgs& args) {
      primitive.execute(dnnl_stream(), {{DNNL_ARG_SRC, dnnl_memory(from, args.in[0])},
                                        {DNNL_ARG_DST, dnnl_memory(to, args.out[0])},
                                        {DNNL_ARG_SCRATCHPAD, dnnl_memory(scratchpad, args.scratch)}});
    });
    return choice;
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

void average_lanes(const float* x, int64_t spatial, int64_t lanes, float* y) {
  double sums[16] = {};
  for (int64_t s = 0; s < spatial; ++s) {
    for (int64_t l = 0; l < lanes; ++l) sums[l] += x[s * lanes + l];
  }
  for (int64_t l = 0; l < lanes; ++l) y[l] = static_cast<float>(sums[l] / static_cast<double>(spatial));
}

void average_row(const float* x, int64_t spatial, float* y) {
  double sums[8] = {};
  int64_t s = 0;
  for (; s + 8 <= spatial; s += 8) {
    for (int l = 0; l < 8; ++l) sums[l] += x[s + l];
  }
  double total = 0.0;
  for (const double sum : sums) total += sum;
  for (; s < spatial; ++s) total += x[s];
  *y = static_cast<float>(total / static_cast<double>(spatial));
}

std::optional<KernelChoice> global_average(const KernelRequest& request) {
  if (request.input_type(0).dtype != DType::kFloat32) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Layout layout = request.input_layouts[0];
  const int64_t spatial = source.span_count(2, source.rank());
  if (spatial == 0 || request.output_shape().rank() != source.rank()) return std::nullopt;
  const int64_t rows = physical_count(source, layout) / (spatial * layout.block);
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), layout);
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts = {layout};
  choice.kernel = make_kernel([rows, spatial, block = layout.block](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.in[0]);
    auto* y = static_cast<float*>(args.out[0]);
    for (int64_t row = 0; row < rows; ++row) {
      if (block == 1) average_row(x + row * spatial, spatial, y + row);
      else average_lanes(x + row * spatial * block, spatial, block, y + row * block);
    }
  });
  return choice;
}

// ReduceMean over all spatial axes with kept dimensions is a global average pooling.
std::optional<KernelChoice> reduce_mean(const KernelRequest& request) {
  if (request.input_type(0).dtype != DType::kFloat32 || request.node.attr_int("keepdims", 1) == 0) return std::nullopt;
  const Shape& source = request.input_shape(0);
  if (source.rank() < 3) return std::nullopt;
  std::vector<int64_t> axes = request.node.attr_ints("axes");
  if (request.has_input(1)) {
    const Tensor* constant = request.constant(1);
    if (constant == nullptr) return std::nullopt;
    axes = constant->to_int64();
  }
  std::vector<bool> reduced(source.rank(), false);
  for (const int64_t axis : axes) reduced[source.normalize_axis(axis)] = true;
  for (size_t i = 0; i < source.rank(); ++i) {
    if (reduced[i] != (i >= 2)) return std::nullopt;
  }
  return global_average(request);
}

}  // namespace

void register_pool(Registry& registry) {
  registry.add("MaxPool", [](const KernelRequest& request) { return window_pool(request, false); });
  registry.add("AveragePool", [](const KernelRequest& request) { return window_pool(request, true); });
  registry.add("GlobalAveragePool", global_average);
  registry.add("ReduceMean", reduce_mean);
}

}  // namespace qtool::exec
