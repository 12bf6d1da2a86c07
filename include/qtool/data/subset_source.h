// Some samples of another source: shards, samples kept aside.
#pragma once

#include <memory>
#include <vector>

#include "qtool/data/sample_source.h"

namespace qtool::data {

// The samples at `indices`, in that order. `source` must outlive the result.
[[nodiscard]] std::unique_ptr<SampleSource> subset_of(const SampleSource& source, std::vector<int64_t> indices);

struct HeldOutSplit {
  std::vector<int64_t> kept;      // for statistics
  std::vector<int64_t> held_out;  // evenly spread; the same samples as `kept` when there are fewer than four
};
// Keeps an eighth aside, at most `most`.
[[nodiscard]] HeldOutSplit split_held_out(int64_t count, int64_t most);

}  // namespace qtool::data
