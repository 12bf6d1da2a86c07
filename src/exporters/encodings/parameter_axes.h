// Along which axes the grids of a parameter lie: files of version 0.6.1 and 1.0.0 leave it to the operator.
#pragma once

#include <string>

#include "qtool/exporters/encodings_document.h"

namespace qtool::exporters::encodings {

// Sets channel and block axes, rank and channel count of an entry from the operator that reads the tensor. Throws
// Error(kInvalidData) when the number of grids does not fit.
void settle_axes(DocumentEntry& entry, const ir::Graph& graph, const ops::Registry& registry, ir::ValueId id, const std::string& file);

}  // namespace qtool::exporters::encodings
