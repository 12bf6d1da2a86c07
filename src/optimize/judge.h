// Judges candidates against the original float model on samples kept aside; no labels.
#pragma once

#include <optional>
#include <vector>

#include "qtool/eval/output_blocks.h"
#include "qtool/optimize/output_measure.h"
#include "qtool/optimize/stage.h"

namespace qtool::optimize {

class Judge {
 public:
  // Runs the float model on all samples; `samples` must live as long.
  Judge(const ir::Graph& original, const data::SampleSource& samples, int threads);

  // Simulation on candidate.encodings. Boxes and scores of a recognised detector are told apart (output_measure.h).
  [[nodiscard]] Score score(const model::ModelState& candidate) const;
  // Largest |difference| over the largest |value|, the worst output counts.
  [[nodiscard]] double float_difference(const ir::Graph& candidate) const;

 private:
  using Outputs = std::vector<std::vector<Tensor>>;  // by sample

  [[nodiscard]] Outputs run(const ir::Graph& graph, const model::EncodingTable* encodings) const;
  void find_blocks(const ir::Graph& graph);
  void recognise_detector(const ir::Graph& graph);
  [[nodiscard]] Score detector_score(const Outputs& outputs) const;

  const data::SampleSource& samples_;
  int threads_;
  Outputs reference_;
  std::vector<eval::OutputBlock> blocks_;
  bool classifier_ = false;
  std::optional<OutputMeasure> detector_;
  std::vector<OutputReference> detections_;  // by sample
};

}  // namespace qtool::optimize
