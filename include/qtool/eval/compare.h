// Compares two versions of a model on the same samples; no labels needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/eval/signal.h"
#include "qtool/exec/executor.h"
#include "qtool/ir/graph.h"
#include "qtool/support/reporter.h"

namespace qtool::eval {

struct OutputComparison {
  std::string name;
  SignalSums sums;           // over all samples
  double worst_sqnr_db = 0;  // of one sample
  std::string worst_sample;
  // Share of samples with the same largest element; for outputs of the form [1, classes].
  std::optional<double> top1_agreement;
};

struct ComparisonResult {
  int64_t samples = 0;
  std::vector<OutputComparison> outputs;  // in graph order
};

// Both executors must be made from graphs with the inputs and outputs of `graph`. `threads` 0: all.
[[nodiscard]] ComparisonResult compare(const exec::Executor& reference, const exec::Executor& test,
                                       const ir::Graph& graph, const data::SampleSource& source,
                                       int threads, Reporter& reporter);

}  // namespace qtool::eval
