// What a change of some tensors does to the outputs of the float model, tensor by tensor, at the cost of the part of the
// model behind them (exec/suffix_session.h).
//
// For choosing ranges: one quantizer on at a time. For sensitivity analysis: one tensor or group at another precision.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/exec/suffix_session.h"
#include "qtool/model/model_state.h"
#include "qtool/optimize/output_measure.h"
#include "qtool/quant/encoding.h"

namespace qtool::optimize {

// One question: these values altered by this function, everything else as it is.
struct Variant {
  std::vector<ir::ValueId> changed;
  exec::SuffixSession::Change change;
  std::vector<ir::ValueId> rounded;  // constants that are on their grids; the probe must know their encodings
};

// A change that puts values on a grid of one scale for the tensor.
[[nodiscard]] exec::SuffixSession::Change onto_grid(const quant::Encoding& encoding);

class NoiseProbe {
 public:
  // `changeable`: every value that a variant may name. The source must outlive the probe. Throws Error(kUnsupported) when
  // shapes depend on data.
  // `constants`: grids of constants that variants may ask for; nullptr: none.
  NoiseProbe(const ir::Graph& graph, const std::vector<ir::ValueId>& changeable, const data::SampleSource& source, int threads,
             const model::EncodingTable* constants = nullptr);

  [[nodiscard]] const OutputMeasure& measure() const { return *measure_; }

  // Noise of every variant, summed over these samples. Does not depend on the thread count.
  [[nodiscard]] std::vector<OutputNoise> run(std::span<const Variant> variants, std::span<const int64_t> samples);
  // The same sample by sample: [sample][variant].
  [[nodiscard]] std::vector<std::vector<OutputNoise>> run_each(std::span<const Variant> variants, std::span<const int64_t> samples);

 private:
  struct Worker;
  void load(Worker& worker, int64_t sample) const;
  [[nodiscard]] OutputNoise noise_of(Worker& worker, const Variant& variant) const;

  const ir::Graph& graph_;
  const data::SampleSource& source_;
  int threads_;
  exec::Executor executor_;
  std::optional<exec::Executor> rounded_;  // the same with every known constant on its grid
  std::optional<OutputMeasure> measure_;
};

}  // namespace qtool::optimize
