// Small conveniences over oneDNN: the engine, one stream a thread, memory descriptors of our layouts.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "qtool/exec/layout.h"

namespace qtool::exec {

[[nodiscard]] const dnnl::engine& dnnl_engine();
[[nodiscard]] const dnnl::stream& dnnl_stream();  // of the calling thread

// float32 descriptor; shapes of rank 3 to 5 may be blocked.
[[nodiscard]] dnnl::memory::desc dnnl_desc(const Shape& shape, Layout layout);
[[nodiscard]] dnnl::memory::desc plain_desc(const dnnl::memory::dims& dims);
[[nodiscard]] dnnl::memory dnnl_memory(const dnnl::memory::desc& desc, const void* data);

// Inference with scratchpad memory given by the caller, so that workers can share a primitive.
[[nodiscard]] dnnl::primitive_attr shared_attr();

// oneDNN's plain loops; our own reference is no slower and more exact.
[[nodiscard]] bool is_reference_impl(const std::string& impl_info);

// Row-major constant -> the layout a primitive wants, kept alive by the returned tensor (bytes).
[[nodiscard]] Tensor pack_constant(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to);

}  // namespace qtool::exec
