// Decides which tensors get an encoding and which share one, from operator traits, a target profile and the user's hand.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/ops/registry.h"

namespace qtool::passes {

// Precision by hand. Patterns are globs on node or tensor names, or operator types.
struct PrecisionRule {
  enum class Kind : uint8_t {
    kFloat,       // the operator is computed in float
    kActivation,  // its outputs have `bits`; undoes kFloat
    kWeight,      // its weight has `bits`
  };
  Kind kind = Kind::kFloat;
  int bits = 0;
  std::string pattern;
  std::string option;   // as the user wrote it, for messages: "--act16"
};

// Weights of few bits with a scale for every block of input channels.
struct BlockRule {
  int64_t block_size = 0;      // 0: none
  int decompressed_bits = 0;   // above 0: low-power blockwise scales (LPBQ)
  int widest = 4;              // weights of more bits keep one scale a channel
};

struct PlanOptions {
  std::vector<PrecisionRule> rules = {};           // a later rule is stronger
  // From an overrides file, stronger than the rules.
  std::map<ir::ValueId, int> tensor_bits = {};
  std::set<ir::ValueId> float_tensors = {};
  std::map<ir::ValueId, quant::Encoding> fixed = {};   // tensors whose grids are given; they follow nobody
  BlockRule blocks = {};
  // Sets of values that are one tensor in turn (a state over the steps of a loop): one grid each. The first holds the values of
  // all others (a Concat of them): calibration looks at it alone.
  std::vector<std::vector<ir::ValueId>> shared_grids = {};
};

struct PlanNotes {
  struct RuleCount {
    PrecisionRule rule;
    size_t operators = 0;   // that it matched
  };
  std::vector<RuleCount> rules;
  std::vector<std::string> limited;   // widths lowered or raised to what the profile allows
  std::vector<std::string> grouped;   // tensors that changed because they share an encoding with one that was asked for
  std::vector<std::string> unblocked; // weights that blocks do not fit
};

// Fills `plan`. The graph must be cleaned (batch norm folded) and its shapes settled. Rules, in order:
//   1. outputs inside a fused group get none (the group's last output stands for them);
//   2. data movement takes the encoding of its input, tied operators share one among inputs and output;
//   3. prescribed ranges of the profile; 4. everything else that is float gets its own.
// Weights, biases and constant operands follow the operator that reads them first. A float operator's result has an
// encoding when a quantized operator reads it; tensors that share an encoding change their width together.
// Throws Error(kUsage) for a pattern that matches no operator, and for widths asked for by hand that the profile forbids.
PlanNotes plan_quantization(model::ModelState& state, const model::TargetProfile& profile, const ops::Registry& registry,
                            const PlanOptions& options = {});

}  // namespace qtool::passes
