// MaxPool on 8-bit codes: codes are in the order of the values.
#include "code_layout.h"
#include "code_tables.h"
#include "dnnl_support.h"
#include "qtool/exec/registry.h"
#include "qtool/ops/window.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

namespace {

std::optional<KernelChoice> max_pool(const KernelRequest& request) {
  if (!request.all_float() || request.node.outputs.size() != 1 || !request.lies_in_codes(0)) return std::nullopt;
  const quant::Encoding* from_grid = request.input_code_grid(0);
  const quant::Encoding* to_grid = request.output_code_grid();
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  if (from_grid == nullptr || to_grid == nullptr || source.rank() != 4 || target.element_count() == 0) return std::nullopt;
  const ops::WindowParams window = ops::pool_window(request.node, source);
  dnnl::memory::dims pads_end;
  for (size_t i = 0; i < window.rank(); ++i) {
    if (window.dilations[i] != 1) return std::nullopt;
    pads_end.push_back((target[i + 2] - 1) * window.strides[i] + window.kernel[i] - source[i + 2] - window.pads_begin[i]);
  }
  using Op = dnnl::pooling_forward;
  using dnnl::memory;
  try {
    const memory::desc from(source.dims(), memory::data_type::u8, memory::format_tag::nhwc);
    const memory::desc to(target.dims(), memory::data_type::u8, memory::format_tag::nhwc);
    const Op::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_max, from, to, window.strides,
                        window.kernel, window.pads_begin, pads_end);
    const Op::primitive_desc pd(desc, shared_attr(), dnnl_engine());
    if (std::string(pd.impl_info_str()).find("ref") != std::string::npos) return std::nullopt;
    const bool same = same_codes(*from_grid, *to_grid);
    const Layout layout{.storage = Storage::kCodesChannelsLast};
    KernelChoice choice;
    choice.input_layouts = {layout};
    choice.output_layouts = {layout};
    choice.scratch_bytes = pd.scratchpad_desc().get_size();
    choice.kernel = make_kernel([primitive = Op(pd), from, to, scratchpad = pd.scratchpad_desc(), same,
                                 table = make_table(*from_grid, *to_grid), count = target.element_count()](const KernelArgs& args) {
      primitive.execute(dnnl_stream(), {{DNNL_ARG_SRC, dnnl_memory(from, args.in[0])},
                                        {DNNL_ARG_DST, dnnl_memory(to, args.out[0])},
                                        {DNNL_ARG_SCRATCHPAD, dnnl_memory(scratchpad, args.scratch)}});
      auto* codes = static_cast<uint8_t*>(args.out[0]);
      if (!same) simd::code_kernels().lookup(codes, codes, count, table.data());
    });
    return choice;
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

}  // namespace

void register_code_pool(Registry& registry) { registry.add_codes("MaxPool", max_pool); }

}  // namespace qtool::exec
