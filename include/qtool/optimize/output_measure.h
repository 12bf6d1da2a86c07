// How much noise a model's outputs carry, block by block, without labels.
//
// One SQNR over a tensor that joins boxes (pixels) and scores (0..1) says nothing of the scores, so the outputs are told
// apart: for a recognised detector into boxes, weighted by the score of their row, and final scores; otherwise into rows of
// large and of small magnitude. Errors are added as amplitudes, boxes ten
// times as strict: of the label-free figures tried this one follows mAP best.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qtool/eval/decoder.h"
#include "qtool/eval/output_blocks.h"
#include "qtool/ir/graph.h"
#include "qtool/tensor/tensor.h"

namespace qtool::optimize {

struct OutputBlock {
  std::string name;      // "scores", "boxes" or the name of the output
  double weight = 1.0;   // of its relative error amplitude in the cost
};

// Outputs of one sample by the float model, and what of them is needed again and again.
struct OutputReference {
  std::vector<Tensor> outputs;      // float32
  eval::Proposals proposals;        // of a detector
  std::vector<double> box_weights;  // by proposal
  std::vector<double> signal;       // power by block
};

class OutputMeasure {
 public:
  // `sample_outputs`: the float outputs of one sample, which tell large rows from small ones.
  OutputMeasure(const ir::Graph& graph, const std::vector<Tensor>& sample_outputs);

  [[nodiscard]] const std::vector<OutputBlock>& blocks() const { return blocks_; }
  [[nodiscard]] bool is_detector() const { return decoder_ != nullptr; }

  [[nodiscard]] OutputReference reference(std::vector<Tensor> outputs) const;
  // Noise power by block: sum of squared differences, weighted as the signal is.
  [[nodiscard]] std::vector<double> noise(const OutputReference& reference, const std::vector<Tensor>& outputs) const;

 private:
  void find_blocks(const ir::Graph& graph, const std::vector<Tensor>& sample_outputs);

  std::vector<OutputBlock> blocks_;
  std::vector<eval::OutputBlock> parts_;   // by block, unless a decoder tells boxes from scores
  std::vector<size_t> output_of_;          // graph output by index of a part's output
  const eval::DetectionDecoder* decoder_ = nullptr;
  eval::DetectorSignature signature_;
};

// Sums over samples.
struct OutputNoise {
  std::vector<double> signal, noise;  // by block
  void add(const std::vector<double>& signal_power, const std::vector<double>& noise_power);
  // Weighted sum of relative error amplitudes, sqrt(noise / signal); infinite when a block carries noise only.
  [[nodiscard]] double cost(const std::vector<OutputBlock>& blocks) const;
  [[nodiscard]] double sqnr_db(size_t block) const;
};

// The cost as decibels: -20 log10. With one block this is the SQNR of the output.
[[nodiscard]] double cost_db(double cost);

}  // namespace qtool::optimize
