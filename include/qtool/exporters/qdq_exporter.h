// A model in flight -> a graph with QuantizeLinear / DequantizeLinear ("QDQ"), the form ONNX Runtime and its QNN
// provider take.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"

namespace qtool::exporters {

struct QdqExportReport {
  size_t quantized_activations = 0;  // QuantizeLinear / DequantizeLinear pairs
  size_t stored_constants = 0;       // constants stored as integers
  size_t widened_biases = 0;         // 8-bit biases stored as int32
  std::vector<std::string> notes;    // decisions worth knowing
};

// Every float activation with an encoding gets QuantizeLinear and DequantizeLinear behind it, which all its readers go
// through; every float constant with one is stored as integers in front of a DequantizeLinear. Values without an
// encoding stay float. 8-bit biases become int32 with the scale input x weight and the values of their 8-bit grid,
// because ONNX Runtime computes on integers only with such. Nodes are those of operator set 13, or 21 where 4-bit and 16-bit integers need it, or newer where
// the graph is.
//
// Tensor x keeps its name. Beside it stand x_scale, x_zero_point, x_QuantizeLinear_Output and
// x_DequantizeLinear_Output, and x_quantized for constants, as ONNX Runtime's quantizer names them. A graph output x is
// the dequantized tensor; what was x before is x_QuantizeLinear_Input.
//
// Throws Error(kUnsupported) naming the tensor whose encoding ONNX cannot say, Error(kInvalidModel) for an encoding that
// does not fit its tensor, and what onnxio::upgrade_opset() throws. `report` may be null.
[[nodiscard]] ir::Graph build_qdq(const model::ModelState& state, QdqExportReport* report = nullptr);

}  // namespace qtool::exporters
