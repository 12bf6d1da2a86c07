// Several graphs over the samples of one source.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/ir/graph.h"
#include "qtool/model/model_state.h"

namespace qtool::optimize {

struct GraphRun {
  const ir::Graph* graph;
  const model::EncodingTable* encodings = nullptr;  // null: float
};

// Calls use(run, sample, outputs) for every run and every sample in [first, last), on worker threads. Planning is serial work:
// a few plans are made side by side, and kept until their runs are over.
void run_graphs(std::span<const GraphRun> runs, const data::SampleSource& source, int64_t first, int64_t last, int threads,
                const std::function<void(size_t run, int64_t sample, std::vector<Tensor> outputs)>& use);

}  // namespace qtool::optimize
