// A model in flight -> the records of a Qualcomm DLC (container version 4.0), float or quantized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "qtool/container/dlc_model.h"
#include "qtool/model/model_state.h"

namespace qtool::exporters {

struct DlcExportOptions {
  // The elements of tensors that are not quantized. Graph inputs and outputs that stay float are always float32.
  enum class FloatType : uint8_t { kFloat32, kFloat16 };

  bool quantized = false;
  FloatType float_type = FloatType::kFloat32;
  std::string model_name = "model";
  std::string tool_version;
  // Written as "name=value" words into dlc.metadata. The caller keeps paths out.
  std::map<std::string, std::string> recorded_options;
};

struct DlcExportReport {
  std::vector<std::string> notes;  // decisions worth knowing: float islands, re-encoded constants, ...
  size_t ops = 0;
  size_t static_bytes = 0;
  size_t encodings = 0;    // tensors with scales
  size_t convert_ops = 0;  // Convert, Quantize, Dequantize and Cast ops that the exporter added
  std::map<std::string, size_t> ops_of_type;  // of these four types, whoever asked for them
};

// The graph must be clean: settled shapes, constants folded, no control flow. With `quantized`, values that have an
// encoding are stored as codes; float values without one are computed in float, with Quantize and Dequantize at the
// borders. Activations are channels-last; graph inputs of rank 4 are NHWC under their ONNX names, graph outputs keep
// name and axis order of the ONNX model.
//
// The result satisfies container::verify_dlc(). Throws Error(kUnsupported) that lists every node which cannot be
// expressed, Error(kInvalidModel) for encodings that do not fit their tensors. `report` may be null.
[[nodiscard]] container::DlcFile build_dlc(const model::ModelState& state, const DlcExportOptions& options,
                                           DlcExportReport* report = nullptr);

}  // namespace qtool::exporters
