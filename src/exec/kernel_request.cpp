#include "code_layout.h"
#include "qtool/exec/kernel.h"

namespace qtool::exec {

const quant::Encoding* KernelRequest::input_code_grid(size_t i) const {
  const quant::Encoding* grid = has_input(i) ? input_encodings[i] : nullptr;
  return grid != nullptr && fits_codes(*grid) && input_type(i).dtype == DType::kFloat32 ? grid : nullptr;
}

const quant::Encoding* KernelRequest::output_code_grid(size_t i) const {
  const quant::Encoding* grid = i < output_encodings.size() ? output_encodings[i] : nullptr;
  return grid != nullptr && fits_codes(*grid) && output_type(i).dtype == DType::kFloat32 ? grid : nullptr;
}

bool KernelRequest::all_float() const {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (has_input(i) && input_type(i).dtype != DType::kFloat32) return false;
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNoValue && output_type(i).dtype != DType::kFloat32) return false;
  }
  return true;
}

}  // namespace qtool::exec
