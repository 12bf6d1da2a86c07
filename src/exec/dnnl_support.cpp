#include "dnnl_support.h"

#include "qtool/support/error.h"
#include "qtool/tensor/simd.h"

namespace qtool::exec {

const dnnl::engine& dnnl_engine() {
  // oneDNN reads its limit once, before the first primitive: it follows the pinned instruction set.
  static const dnnl::engine engine = [] {
    switch (simd::kernels().isa) {
      case simd::Isa::kGeneric: dnnl::set_max_cpu_isa(dnnl::cpu_isa::sse41); break;
      case simd::Isa::kAvx2: dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2); break;
      case simd::Isa::kAvx512: break;
    }
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

const dnnl::stream& dnnl_stream() {
  thread_local const dnnl::stream stream(dnnl_engine());
  return stream;
}

dnnl::memory::desc dnnl_desc(const Shape& shape, Layout layout) {
  using Tag = dnnl::memory::format_tag;
  if (layout.plain()) return plain_desc(shape.dims());
  const bool wide = layout.block == 16;
  QTOOL_CHECK(shape.rank() >= 3 && shape.rank() <= 5 && (wide || layout.block == 8));
  Tag tag = wide ? Tag::aBc16b : Tag::aBc8b;
  if (shape.rank() == 4) tag = wide ? Tag::aBcd16b : Tag::aBcd8b;
  if (shape.rank() == 5) tag = wide ? Tag::aBcde16b : Tag::aBcde8b;
  return {shape.dims(), dnnl::memory::data_type::f32, tag};
}

dnnl::memory::desc plain_desc(const dnnl::memory::dims& dims) {
  return {dims, dnnl::memory::data_type::f32, Shape(dims).strides()};
}

dnnl::memory dnnl_memory(const dnnl::memory::desc& desc, const void* data) {
  return {desc, dnnl_engine(), const_cast<void*>(data)};
}

dnnl::primitive_attr shared_attr() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

bool is_reference_impl(const std::string& impl_info) { return impl_info.rfind("ref", 0) == 0; }

Tensor pack_constant(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to) {
  Tensor packed(DType::kUInt8, {static_cast<int64_t>(to.get_size())});
  dnnl::memory source = dnnl_memory(from, data);
  dnnl::memory target = dnnl_memory(to, packed.raw());
  dnnl::reorder(source, target).execute(dnnl_stream(), source, target);
  dnnl::stream(dnnl_stream()).wait();
  return packed;
}

}  // namespace qtool::exec
