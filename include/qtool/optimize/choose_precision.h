// `--optimizations selective`: which activations and weights get more bits, by structure and by measuring. No names.
//
//  1. The decoding tail of a detector (head_analysis.h): more bits, and in the end float for joined outputs that 16 bits serve
//     less well, where that costs next to nothing.
//  2. Where several ways to make ranges are offered, the best of them: only now do scores tell, and what is worth 16 bits
//     depends on it.
//  3. Every other quantizer, and the weight of every layer, alone in the float model: what it does to the outputs
//     (noise_probe.h). Noise powers add well enough, so the worst ones are widened in that order for as long as each is worth
//     it and the cost allows. A layer with wide weights reads wide activations.
// Each step is kept only if the whole simulation on samples kept aside is better with them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "qtool/data/sample_source.h"
#include "qtool/model/cost_rates.h"
#include "qtool/model/model_state.h"
#include "qtool/optimize/cost_model.h"
#include "qtool/optimize/head_analysis.h"
#include "qtool/support/reporter.h"

namespace qtool::optimize {

// By leader of an activation quantizer, or by weight.
using TensorBits = std::map<ir::ValueId, int>;

inline constexpr int kFloatBits = 32;  // as a width: no grid

struct PrecisionOptions {
  int threads = 1;
  int wide_bits = 16;
  int64_t samples = 32;         // of those kept aside, to judge each step by
  double work = 4e12;           // multiplications to spend on step 3, about; decides the number of samples there
  double least_gain_db = 0.1;   // of the whole, that one more wide tensor must bring
  double most_cost = 1.05;      // relative to all 8-bit (cost_model.h)
  model::CostRates rates = {};
  bool head_only = false;       // leaves out step 3
  double target_db = 40.0;      // good enough: nothing is widened past it
  // Operator types whose weights may have wide_bits beside activations of wide_bits.
  std::set<std::string> wide_weight_operators = {};
  bool float_joins = false;     // joined outputs may be float
};

struct PrecisionChoice {
  ir::ValueId value = ir::kNoValue;  // leader of its quantizer group, or a weight
  int bits = 16;                     // or kFloatBits
  std::string reason;
  double alone_db = 0.0;             // output noise with this quantizer alone at 8 bits; 0 for the head
};

// One line of the search, for the report.
struct PrecisionStep {
  std::string name;                  // "as planned", "head", "ranges by ...", "tensors", "joined outputs in float"
  double score_db = 0.0;             // of the whole simulation
  std::vector<std::pair<std::string, double>> blocks;  // SQNR by output block
  double cost = 1.0;
  WideTensors wide = {};
  double seconds = 0.0;              // spent on finding and judging it
  bool kept = true;
};

struct SensitivityRow {
  ir::ValueId value = ir::kNoValue;
  double alone_db = 0.0;
};

struct PrecisionResult {
  HeadAnalysis head;
  std::vector<PrecisionChoice> choices;
  std::vector<PrecisionStep> steps;
  std::vector<SensitivityRow> sensitivity;   // worst first
  int64_t samples = 0;
};

// A planned and encoded model with these widths. Called by several threads at once.
using Requantize = std::function<model::ModelState(const TensorBits&)>;
// A way to make ranges.
struct RangeMethod {
  std::string name;
  Requantize requantize;
};
using RangeOf = std::function<std::optional<quant::Range>(ir::ValueId)>;

// `methods`: at least one, the first is where the search starts. `held_out` must outlive the call only. Throws Error(kUnsupported) when shapes depend on data.
[[nodiscard]] PrecisionResult choose_precision(const std::vector<RangeMethod>& methods, const RangeOf& range, const data::SampleSource& held_out,
                                               const PrecisionOptions& options, Reporter& reporter);

}  // namespace qtool::optimize
