// What a backend wants of an encodings file, as data. Profiles are JSON files (data/profiles, docs/profiles.md).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "qtool/quant/encoding.h"

namespace qtool::model {

struct TargetProfile {
  std::string name;
  std::string summary;

  int activation_bits = 8;
  bool activation_symmetric = false;
  int weight_bits = 8;
  bool weight_symmetric = false;
  bool per_channel = false;
  std::set<std::string> per_channel_ops;     // operators whose weights may be per-channel
  int bias_bits = 8;                         // 8: own range; 32: s_input * s_weight
  double min_range = 1e-4;
  bool quantize_inputs = true;

  // Sequences of operators without a grid in between, for example {"Conv", "Relu"}.
  std::vector<std::vector<std::string>> fused_groups;
  std::set<std::string> same_encoding_ops;   // output takes the encoding of input 0
  std::set<std::string> tied_ops;            // all inputs and the output share one encoding
  std::map<std::string, quant::Range> fixed_output_ranges;
  std::set<std::string> unquantized_ops;     // outputs stay float
};

}  // namespace qtool::model
