// Calibration samples divided into those that statistics come from and those kept aside to judge by.
#pragma once

#include <memory>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"

namespace qtool::optimize {

// Tensors in order of the graph's inputs. Errors name the sample.
[[nodiscard]] std::vector<Tensor> sample_inputs(const ir::Graph& graph, const data::SampleSource& source, int64_t index);

// Some samples of another source, which must live longer. Samples are kept in memory once loaded while they fit `bytes`.
[[nodiscard]] std::unique_ptr<data::SampleSource> pick_samples(const data::SampleSource& source, std::vector<int64_t> indices,
                                                               int64_t bytes);

struct SampleSplit {
  std::vector<int64_t> held_out;   // every eighth sample, 8 to 32 of them; all samples when there are fewer than 4
  std::vector<int64_t> rest;
  std::vector<int64_t> quick;      // of the rest, at most 32, evenly spread: for ranges that are only compared
};
// `output_bytes` of one sample bounds how many are kept aside.
[[nodiscard]] SampleSplit split_samples(int64_t count, int64_t output_bytes);

}  // namespace qtool::optimize
