// Raw outputs of the float model, kept to measure simulated ones against.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "qtool/eval/output_blocks.h"
#include "qtool/ir/graph.h"

namespace qtool::pipeline {

class OutputReference {
 public:
  // Outputs of the first images are kept, as many as fit into `budget_bytes` (one at least).
  OutputReference(const ir::Graph& graph, int64_t images, int64_t budget_bytes);

  [[nodiscard]] int64_t kept() const { return static_cast<int64_t>(samples_.size()); }
  void keep(int64_t index, const std::vector<Tensor>& outputs);  // thread-safe for different indices
  void finish();                                                 // call once all are kept

  [[nodiscard]] const std::vector<eval::OutputBlock>& blocks() const { return blocks_; }
  [[nodiscard]] const std::vector<Tensor>& sample(int64_t index) const { return samples_[static_cast<size_t>(index)]; }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<Tensor>> samples_;
  std::vector<eval::OutputBlock> blocks_;
};

// One simulated model against the reference; sums are merged in the order of images, whatever order they arrive in.
class OutputDistance {
 public:
  explicit OutputDistance(const OutputReference& reference);
  void add(int64_t index, const std::vector<Tensor>& outputs);   // thread-safe for different indices
  [[nodiscard]] std::vector<eval::SignalSums> sums() const;      // by block

 private:
  const OutputReference& reference_;
  std::vector<std::vector<eval::SignalSums>> by_image_;
};

}  // namespace qtool::pipeline
