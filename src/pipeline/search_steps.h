// The ladder of `--optimizations auto`: what is tried, in which order. A new candidate is one entry in search_steps.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "quantized_model.h"

namespace qtool::pipeline {

enum class NoiseSource : uint8_t { kAny, kActivations, kWeights };

struct SearchStep {
  std::string name;
  double extra = 0.0;       // time beyond that of quantizing by the recipe so far, in plain runs; typical, for the time budget
  bool costly = false;      // pays for accuracy with speed: only where a target asks for it
  // The recipe to try, from the best one so far; nullopt: does not apply to it.
  std::function<std::optional<QuantizeConfig>(const QuantizeConfig&)> propose;
  // Turns what a run has found into options that give the same without a search; true: those must be run again to see.
  std::function<bool(QuantizeConfig&, const QuantizedModel&)> settle = {};
  NoiseSource against = NoiseSource::kAny;  // of two neighbours, the one against more of the noise comes first
};

// `config`: as the user gave it.
[[nodiscard]] std::vector<SearchStep> search_steps(const QuantizeConfig& config);

// The widths that "head" and "selective" chose as --wide-activations, --wide-weights and --float, in place of the search for them.
void settle_precision(QuantizeConfig& config, const QuantizedModel& found);

// "W8A16" and so on, of the recipe as a whole.
[[nodiscard]] std::string precision_name(const QuantizeConfig& config);

}  // namespace qtool::pipeline
