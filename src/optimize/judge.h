// Judges candidates against the original float model on samples kept aside; no labels.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "qtool/eval/output_blocks.h"
#include "qtool/optimize/output_measure.h"
#include "qtool/optimize/stage.h"
#include "run_graphs.h"

namespace qtool::optimize {

class Judge {
 public:
  // Runs the float model on all samples; `samples` must live as long.
  Judge(const ir::Graph& original, const data::SampleSource& samples, int threads);

  // Simulation on candidate.encodings. Boxes and scores of a recognised detector are told apart (output_measure.h).
  [[nodiscard]] Score score(const model::ModelState& candidate) const;
  // The same for several at once, which takes less time than one after another.
  [[nodiscard]] std::vector<Score> score_each(std::span<const model::ModelState* const> candidates) const;
  // Largest |difference| over the largest |value|, the worst output counts.
  [[nodiscard]] double float_difference(const ir::Graph& candidate) const;

 private:
  // What is kept of the outputs for one sample.
  struct SampleFigures {
    std::vector<double> signal, noise;  // by block; a detector's signal is that of its reference
    bool agrees = false;                // in the best class
  };
  // Largest |value| and |difference| of one output; infinite where shapes differ or numbers were lost.
  struct Deviation {
    double largest = 0.0, difference = 0.0;
  };

  void run(std::span<const GraphRun> runs, const std::function<void(size_t run, size_t sample, const std::vector<Tensor>& outputs)>& use) const;
  [[nodiscard]] SampleFigures figures_of(size_t sample, const std::vector<Tensor>& outputs) const;
  [[nodiscard]] Score score_of(const std::vector<SampleFigures>& samples) const;
  [[nodiscard]] static Deviation deviation_of(const Tensor& reference, const Tensor& test);
  void find_blocks(const ir::Graph& graph);
  void recognise_detector(const ir::Graph& graph);
  [[nodiscard]] Score detector_score(const std::vector<SampleFigures>& samples) const;

  const data::SampleSource& samples_;
  int threads_;
  std::vector<std::vector<Tensor>> reference_;  // by sample
  std::vector<eval::OutputBlock> blocks_;
  bool classifier_ = false;
  std::optional<OutputMeasure> detector_;
  std::vector<OutputReference> detections_;  // by sample
};

}  // namespace qtool::optimize
