// Split and Slice as pieces of one axis.
#pragma once

#include <optional>
#include <vector>

#include "qtool/exec/kernel.h"

namespace qtool::exec {

struct Piece {
  int64_t begin, size;
};
struct Cuts {
  size_t axis = 0;
  std::vector<Piece> pieces;  // by output
};

// nullopt when an output is left out.
[[nodiscard]] std::optional<Cuts> split_cuts(const KernelRequest& request);
// Constant bounds that cut at most one axis, with step 1; a Slice that cuts nothing is one whole piece of axis 0.
[[nodiscard]] std::optional<Cuts> slice_cuts(const KernelRequest& request);

}  // namespace qtool::exec
