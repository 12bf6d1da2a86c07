// Constants of the graph as static DLC tensors.
#pragma once

#include <string>
#include <vector>

#include "dlc/axis_order.h"
#include "dlc/tensor_form.h"
#include "qtool/container/dlc_model.h"
#include "qtool/tensor/tensor.h"

namespace qtool::exporters::dlc {

// A re-ordering of a constant: it is seen as `view`, permuted, and stored with `dims`.
struct StaticLayout {
  std::vector<int64_t> view;
  AxisOrder permutation;
  std::vector<uint32_t> dims;
};
[[nodiscard]] StaticLayout permuted_layout(const Shape& shape, const AxisOrder& permutation);
// The elements in their order, with other dims.
[[nodiscard]] StaticLayout reshaped_layout(const Shape& shape, std::vector<uint32_t> dims);

// Elements converted to a form without encoding. Throws Error(kUnsupported) for integers that do not fit 32 bits.
[[nodiscard]] container::DlcTensor plain_static(std::string name, const Tensor& tensor, const StaticLayout& layout,
                                                container::DlcDtype dtype);

// Float elements put on the grids of `encoding` (whose channel axis counts in the tensor as it is); `form` is how the
// codes are stored.
[[nodiscard]] container::DlcTensor quantized_static(std::string name, const Tensor& tensor, const StaticLayout& layout,
                                                    const quant::Encoding& encoding, const TensorForm& form);

}  // namespace qtool::exporters::dlc
