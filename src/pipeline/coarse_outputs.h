// Notices scores that outlive quantization, but in steps coarser than 8 bits of their own would give them, because they share the
// grid of an output with boxes: 16 bits over 640 pixels are steps of 0.01.
#pragma once

#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::pipeline {

// `outputs`: of the float model for one sample (first_outputs.h). One line an output of more than 8 bits with such rows.
[[nodiscard]] std::vector<std::string> coarse_output_advice(const model::ModelState& state, const std::vector<Tensor>& outputs);

}  // namespace qtool::pipeline
