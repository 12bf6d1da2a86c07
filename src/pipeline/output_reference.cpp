#include "output_reference.h"

#include <algorithm>

namespace qtool::pipeline {

OutputReference::OutputReference(const ir::Graph& graph, int64_t images, int64_t budget_bytes) {
  int64_t bytes = 0;
  for (const ir::ValueId id : graph.outputs) {
    names_.push_back(graph.value(id).name);
    bytes += graph.type_of(id).shape.element_count() * static_cast<int64_t>(sizeof(float));
  }
  samples_.resize(static_cast<size_t>(std::clamp<int64_t>(budget_bytes / std::max<int64_t>(bytes, 1), 1, images)));
}

void OutputReference::keep(int64_t index, const std::vector<Tensor>& outputs) {
  if (index < kept()) samples_[static_cast<size_t>(index)] = outputs;
}

void OutputReference::finish() { blocks_ = eval::find_output_blocks(names_, samples_); }

OutputDistance::OutputDistance(const OutputReference& reference) : reference_(reference) {
  by_image_.resize(static_cast<size_t>(reference.kept()));
}

void OutputDistance::add(int64_t index, const std::vector<Tensor>& outputs) {
  if (index >= reference_.kept()) return;
  const std::vector<Tensor>& wanted = reference_.sample(index);
  for (const eval::OutputBlock& block : reference_.blocks()) {
    by_image_[static_cast<size_t>(index)].push_back(eval::block_sums(block, wanted[block.output], outputs[block.output]));
  }
}

std::vector<eval::SignalSums> OutputDistance::sums() const {
  std::vector<eval::SignalSums> total(reference_.blocks().size());
  for (const auto& image : by_image_) {
    for (size_t b = 0; b < image.size(); ++b) total[b].merge(image[b]);
  }
  return total;
}

}  // namespace qtool::pipeline
