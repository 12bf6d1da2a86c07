#include "code_conv.h"

#include <algorithm>

namespace qtool::exec {

namespace {

using dnnl::memory;

constexpr int64_t kBandBytes = 768 * 1024;  // of sums: with the source rows they share a second-level cache

std::vector<Band> cut(const ConvShape& shape) {
  const ops::Window3d& w = shape.window;
  const int64_t row_bytes = shape.out_columns() * shape.out_channels * static_cast<int64_t>(sizeof(int32_t));
  const int64_t extent = (w.kernel[1] - 1) * w.dilations[1] + 1;
  const int64_t at_once = std::clamp<int64_t>(kBandBytes / row_bytes, 1, shape.out_rows());
  const int64_t count = (shape.out_rows() + at_once - 1) / at_once, rows = (shape.out_rows() + count - 1) / count;
  std::vector<Band> bands;
  for (int64_t row = 0; row < shape.out_rows(); row += rows) {
    Band band{.row = row, .rows = std::min(rows, shape.out_rows() - row)};
    const int64_t begin = row * w.strides[1] - w.pads_begin[1];
    const int64_t end = (row + band.rows - 1) * w.strides[1] - w.pads_begin[1] + extent;
    band.source_row = std::clamp<int64_t>(begin, 0, shape.in_rows());
    const int64_t source_end = std::clamp<int64_t>(end, 0, shape.in_rows());
    band.source_rows = source_end - band.source_row;
    band.pad_top = band.source_row - begin;
    band.pad_bottom = end - source_end;
    bands.push_back(band);
  }
  return bands;
}

bool same_kind(const Band& a, const Band& b) {
  return a.rows == b.rows && a.source_rows == b.source_rows && a.pad_top == b.pad_top && a.pad_bottom == b.pad_bottom;
}

memory::dims weight_dims(const ConvShape& shape) {
  memory::dims dims;
  if (shape.groups > 1) dims.push_back(shape.groups);
  dims.insert(dims.end(), {shape.out_channels / shape.groups, shape.in_channels / shape.groups, shape.window.kernel[1],
                           shape.window.kernel[2]});
  return dims;
}

}  // namespace

std::optional<CodeConv::Primitive> CodeConv::make_primitive(const ConvShape& shape, const Band& band) {
  const ops::Window3d& w = shape.window;
  const int64_t extent = (w.kernel[2] - 1) * w.dilations[2] + 1;
  const int64_t pad_right = (shape.out_columns() - 1) * w.strides[2] + extent - shape.in_columns() - w.pads_begin[2];
  const memory::desc source({1, shape.in_channels, band.source_rows, shape.in_columns()}, memory::data_type::u8, memory::format_tag::nhwc);
  const memory::desc target({1, shape.out_channels, band.rows, shape.out_columns()}, memory::data_type::s32, memory::format_tag::nhwc);
  const memory::desc weights(weight_dims(shape), memory::data_type::s8, memory::format_tag::any);
  try {
    using Op = dnnl::convolution_forward;
    const Op::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights, target,
                        {w.strides[1], w.strides[2]}, {w.dilations[1] - 1, w.dilations[2] - 1},
                        {band.pad_top, w.pads_begin[2]}, {band.pad_bottom, pad_right});
    const Op::primitive_desc pd(desc, shared_attr(), dnnl_engine());
    if (std::string(pd.impl_info_str()).find("ref") != std::string::npos) return std::nullopt;
    return Primitive{Op(pd), pd.src_desc(), pd.weights_desc(), pd.dst_desc(), pd.scratchpad_desc()};
  } catch (const dnnl::error&) {
    return std::nullopt;  // this combination has no implementation
  }
}

std::optional<CodeConv> CodeConv::make(const ConvShape& shape, std::span<const int8_t> weights) {
  CodeConv conv;
  conv.shape_ = shape;
  conv.bands_ = cut(shape);
  const memory::dims dims = weight_dims(shape);
  const memory::desc stored(dims, memory::data_type::s8, Shape(dims).strides());
  std::vector<Band> kinds;
  for (const Band& band : conv.bands_) {
    if (band.source_rows <= 0) return std::nullopt;
    size_t kind = 0;
    while (kind < kinds.size() && !same_kind(kinds[kind], band)) ++kind;
    conv.primitive_of_.push_back(kind);
    if (kind < kinds.size()) continue;
    auto primitive = make_primitive(shape, band);
    if (!primitive) return std::nullopt;
    kinds.push_back(band);
    if (!conv.primitives_.empty() && conv.primitives_.front().weights == primitive->weights) {
      conv.packed_.push_back(conv.packed_.front());
    } else {
      conv.packed_.push_back(pack_constant(stored, weights.data(), primitive->weights));
    }
    conv.primitives_.push_back(std::move(*primitive));
  }
  return conv;
}

size_t CodeConv::scratch_bytes() const {
  size_t bytes = 0;
  for (const Primitive& primitive : primitives_) bytes = std::max(bytes, primitive.scratchpad.get_size());
  return bytes;
}

void CodeConv::run(size_t band, const uint8_t* image, int32_t* sums, std::byte* scratch) const {
  const size_t kind = primitive_of_[band];
  const Primitive& p = primitives_[kind];
  const uint8_t* source = image + bands_[band].source_row * shape_.in_columns() * shape_.in_channels;
  p.primitive.execute(dnnl_stream(), {{DNNL_ARG_SRC, dnnl_memory(p.source, source)},
                                      {DNNL_ARG_WEIGHTS, dnnl_memory(p.weights, packed_[kind].raw())},
                                      {DNNL_ARG_DST, dnnl_memory(p.target, sums)},
                                      {DNNL_ARG_SCRATCHPAD, dnnl_memory(p.scratchpad, scratch)}});
}

}  // namespace qtool::exec
