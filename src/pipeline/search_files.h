// What a search for precision leaves behind for the next run: its result as overrides and as a recipe.
#pragma once

#include <string>
#include <vector>

#include "qtool/exporters/registry.h"
#include "quantized_model.h"

namespace qtool::pipeline {

// With head, selective or auto: <model>.overrides.json, the encodings for --quantization_overrides; <model>.recipe.json, the
// options that give the same result without a search; and where stages changed parameters <model>.adapted.onnx, the float
// model that the overrides belong to. Otherwise nothing.
[[nodiscard]] std::vector<exporters::OutputFile> search_files(const QuantizeConfig& config, const QuantizedModel& quantized,
                                                              const std::string& model_name, Reporter& reporter);

}  // namespace qtool::pipeline
