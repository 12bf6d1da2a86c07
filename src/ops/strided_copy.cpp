#include "strided_copy.h"

#include <cstring>

#include "strided_loop.h"
#include "typed_kernel.h"

namespace qtool::ops {

Tensor copy_view(const Tensor& source, int64_t first, const std::vector<int64_t>& view_dims,
                 const std::vector<int64_t>& view_strides, Shape result_shape) {
  Tensor result(source.dtype(), std::move(result_shape));
  const StridedLoop<1> loop(view_dims, {view_strides});
  const int64_t step = loop.run_step(0);
  dispatch_element_size(source.dtype(), [&]<class T>() {
    const T* from = elements<T>(source) + first;
    T* target = mutable_elements<T>(result);
    loop.for_each_run([&](const auto& offsets, int64_t length) {
      const T* run = from + offsets[0];
      if (step == 1) {
        std::memcpy(target, run, static_cast<size_t>(length) * sizeof(T));
      } else if (step == 0) {
        std::fill_n(target, length, *run);
      } else {
        for (int64_t i = 0; i < length; ++i) target[i] = run[i * step];
      }
      target += length;
    });
  });
  return result;
}

}  // namespace qtool::ops
