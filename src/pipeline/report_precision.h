// The part of the report that says which tensors have which width, and who asked for it.
#pragma once

#include <nlohmann/json.hpp>

#include "quantized_model.h"

namespace qtool::pipeline {

// {"by_hand": [...], "activations": {"8": n, "16": n, "float": n}, "weights": {...}, "limited": [...], ...}
[[nodiscard]] nlohmann::ordered_json precision_json(const QuantizedModel& quantized);

}  // namespace qtool::pipeline
