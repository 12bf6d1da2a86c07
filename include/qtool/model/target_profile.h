// What a backend wants of an encodings file, as data. Profiles are JSON files (data/profiles, docs/profiles.md).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "qtool/model/cost_rates.h"
#include "qtool/quant/encoding.h"

namespace qtool::model {

// Bit widths that the backend has for one operator; an empty list means any.
struct OperatorLimits {
  std::vector<int> activation_bits;
  std::vector<int> weight_bits;
  std::vector<int> weight_bits_at_16;        // of weights beside 16-bit activations; empty: as weight_bits
  std::optional<bool> weight_symmetric;
  bool symmetric_second_at_16 = false;       // an activation of 16 bits as second input is symmetric, and so wide only beside a first of 16 bits
};

// What is done with the inputs of a Concat whose ranges differ by more than concat_threshold.
enum class ConcatPolicy : uint8_t {
  kOwn,   // every input keeps its own encoding, the output has one for the whole range
  kTie,   // one encoding for all
  kAuto,  // own encodings; an output whose small parts would die is left float, or gets 16 bits where quantized nodes read it
};

struct TargetProfile {
  std::string name;
  std::string summary;
  std::string sha256 = {};                   // of the profile file

  int activation_bits = 8;
  bool activation_symmetric = false;
  int weight_bits = 8;
  bool weight_symmetric = false;
  bool per_channel = false;
  std::set<std::string> per_channel_ops = {};     // operators whose weights may be per-channel
  int bias_bits = 8;                         // 8: own range; 32: s_input * s_weight
  bool bias_overflow_guard = true;           // enlarge weight scales until int32 biases fit
  double min_range = 1e-4;                   // real units
  double min_scale = 0.0;                    // above 0: bounds the scale instead, min(min_scale, 0.01 / steps) (AIMET 2)
  bool quantize_inputs = true;
  bool quantize_outputs = true;              // false: what the model returns stays float
  bool strict_symmetric = false;             // symmetric grids leave out -2^(b-1)
  bool unsigned_symmetric = false;           // symmetric grids of one-sided tensors start at 0

  // Sequences of operators without a grid in between, for example {"Conv", "Relu"}.
  std::vector<std::vector<std::string>> fused_groups = {};
  std::set<std::string> same_encoding_ops = {};   // output takes the encoding of input 0
  std::set<std::string> tied_ops = {};            // all inputs and the output share one encoding
  std::map<std::string, quant::Range> fixed_output_ranges = {};
  std::set<std::string> unquantized_ops = {};     // outputs stay float
  std::set<std::string> quantized_ops = {};       // operators computed in integers; empty: all that can be
  std::set<std::string> unquantized_weight_ops = {};
  std::set<std::string> asymmetric_weight_ops = {};
  std::map<std::string, OperatorLimits> op_limits = {};
  ConcatPolicy concat_policy = ConcatPolicy::kOwn;
  double concat_threshold = 4.0;             // ratio of the largest magnitudes of two inputs
  CostRates cost = {};                       // of the hardware family, for searches among precisions

  // Smallest hi - lo of a grid of that width, real units.
  [[nodiscard]] double minimum_range(int bits) const;
  [[nodiscard]] quant::Symmetry symmetry(bool symmetric) const;
};

}  // namespace qtool::model
