// Names of quantization schemas, as Qualcomm's tools spell them.
#pragma once

#include <string_view>

#include "qtool/quant/encoding.h"

namespace qtool::quant {

// asymmetric, symmetric, strictsymmetric (also strict), unsignedsymmetric; hyphens and underscores do not matter.
// Throws Error(kUsage) with the nearest known name.
[[nodiscard]] Symmetry parse_symmetry(std::string_view name);
[[nodiscard]] std::string_view symmetry_name(Symmetry symmetry);

}  // namespace qtool::quant
