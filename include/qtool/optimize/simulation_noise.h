// Output noise of the whole simulated model on samples kept aside: the yardstick between recipes that needs no labels.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/model_state.h"
#include "qtool/optimize/output_measure.h"

namespace qtool::optimize {

// 12 to 32 samples: as many as small models can be simulated on in a second or so.
[[nodiscard]] int64_t affordable_simulations(const ir::Graph& graph);

class SimulationNoise {
 public:
  // Runs the float model once over the first `samples` of the source and remembers its outputs; fewer when they are large.
  SimulationNoise(const ir::Graph& graph, const data::SampleSource& source, int64_t samples, int threads);

  [[nodiscard]] const OutputMeasure& measure() const { return *measure_; }
  [[nodiscard]] int64_t samples() const { return static_cast<int64_t>(references_.size()); }

  // Of `state`'s graph on its encodings; inputs and outputs must be those of the float graph. Outputs that a quantized model
  // leaves without a grid are half floats.
  [[nodiscard]] OutputNoise of(const model::ModelState& state) const;
  // The same for several at once, which takes less time than one after another.
  [[nodiscard]] std::vector<OutputNoise> of_each(std::span<const model::ModelState> states) const;

 private:
  const ir::Graph& graph_;
  const data::SampleSource& source_;
  int threads_;
  std::optional<OutputMeasure> measure_;
  std::vector<OutputReference> references_;  // by sample
};

}  // namespace qtool::optimize
