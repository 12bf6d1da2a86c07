#include "qtool/quant/symmetry_name.h"

#include <algorithm>
#include <string>
#include <vector>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::quant {

std::string_view symmetry_name(Symmetry symmetry) {
  switch (symmetry) {
    case Symmetry::kAsymmetric: return "asymmetric";
    case Symmetry::kSymmetric: return "symmetric";
    case Symmetry::kStrictSymmetric: return "strictsymmetric";
    case Symmetry::kUnsignedSymmetric: return "unsignedsymmetric";
  }
  return "";
}

Symmetry parse_symmetry(std::string_view name) {
  std::string plain(name);
  std::erase_if(plain, [](char c) { return c == '-' || c == '_'; });
  if (plain == "strict") return Symmetry::kStrictSymmetric;
  std::vector<std::string> known;
  for (const Symmetry symmetry : {Symmetry::kAsymmetric, Symmetry::kSymmetric, Symmetry::kStrictSymmetric, Symmetry::kUnsignedSymmetric}) {
    if (plain == symmetry_name(symmetry)) return symmetry;
    known.emplace_back(symmetry_name(symmetry));
  }
  throw Error(ErrorCode::kUsage, format("unknown quantizer schema '{}'{} (known: {})", name, did_you_mean(name, known), join(known, ", ")));
}

}  // namespace qtool::quant
