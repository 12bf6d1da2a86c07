// How the elements of a DLC tensor are stored: type and encoding, made from our own encodings.
#pragma once

#include "qtool/container/dlc_model.h"
#include "qtool/quant/encoding.h"
#include "qtool/tensor/dtype.h"

namespace qtool::exporters::dlc {

struct TensorForm {
  container::DlcDtype dtype = container::DlcDtype::kFloat32;
  container::DlcEncoding encoding;  // none unless `dtype` is fixed point
};

// Equal for a runtime: type, scales and offsets.
[[nodiscard]] bool same_form(const TensorForm& a, const TensorForm& b);

[[nodiscard]] bool is_fixed(const TensorForm& form);
[[nodiscard]] bool is_float(const TensorForm& form);

// The type of a tensor that is not quantized: 64-bit integers become 32-bit ones, which is all that the backend
// computes with; float16, bfloat16 and float64 become `float_dtype`.
[[nodiscard]] TensorForm plain_form(DType dtype, container::DlcDtype float_dtype);

// Activations are stored unsigned whatever their symmetry, because several backend ops refuse signed ones; the code is
// level - offset. Per tensor only: Error(kInvalidModel) otherwise.
[[nodiscard]] TensorForm activation_form(const quant::Encoding& encoding);

// The same real values on 16-bit codes: every step is divided by 257 = 65535 / 255, so nothing is lost.
[[nodiscard]] TensorForm widened(const TensorForm& form);

// Symmetric grids are stored signed with offset 0, others unsigned. `axis` is the position of the channel axis in the
// stored tensor. Throws Error(kUnsupported) for per-channel grids that are not symmetric.
[[nodiscard]] TensorForm weight_form(const quant::Encoding& encoding, int32_t axis);

// One code of that form for a level (code + offset = level).
[[nodiscard]] int64_t code_of_level(const TensorForm& form, int64_t level);

}  // namespace qtool::exporters::dlc
