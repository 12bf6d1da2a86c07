// The options of searches among recipes and precisions, checked against each other.
#pragma once

#include <string>
#include <vector>

#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

// Adds what is wrong, in words, to `problems`.
void check_search(const QuantizeConfig& config, std::vector<std::string>& problems);

}  // namespace qtool::pipeline
