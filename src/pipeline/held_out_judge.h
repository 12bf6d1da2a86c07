// Judges quantized models without labels, on calibration samples that their ranges have not seen.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibration_data.h"
#include "qtool/model/cost_rates.h"
#include "qtool/optimize/cost_model.h"
#include "qtool/optimize/simulation_noise.h"

namespace qtool::pipeline {

inline constexpr int kSamplesAside = 16;  // at most; keep_aside of the recipes that are judged

struct OutputFigures {
  double noise_db = 0.0;                               // optimize::cost_db of the whole simulation
  std::vector<std::pair<std::string, double>> blocks;  // SQNR by output block, dB
  double expected_drop = 0.0;                          // points, expected_drop.h
  double cost = 0.0;                                   // relative to 8 bits everywhere
  int64_t converts = 0;                                // conversions between widths
  optimize::WideTensors wide = {};                     // with more than 8 bits
};

class HeldOutJudge {
 public:
  // The samples that a recipe with keep_aside = kSamplesAside does not see; `floats` and `data` must outlive the judge. Warns
  // when there are too few to keep any aside.
  HeldOutJudge(const ir::Graph& floats, const CalibrationData& data, int threads, Reporter& reporter);

  [[nodiscard]] int64_t samples() const { return proxy_.samples(); }
  [[nodiscard]] bool is_detector() const { return proxy_.measure().is_detector(); }

  [[nodiscard]] OutputFigures figures(const model::ModelState& state, const model::CostRates& rates) const;
  // Share of samples with the same top-1 as float, 0..1; classifiers only.
  [[nodiscard]] std::optional<double> agreement(const model::ModelState& state) const;

 private:
  const ir::Graph& floats_;
  int threads_;
  std::unique_ptr<data::SampleSource> aside_;
  optimize::SimulationNoise proxy_;
};

}  // namespace qtool::pipeline
