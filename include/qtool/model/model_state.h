// A model in flight: the graph and everything passes find out about its tensors, keyed by value.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/quant/encoding.h"

namespace qtool::model {

enum class TensorRole : uint8_t { kActivation, kWeight, kBias };

// What is wanted of one tensor. Tensors that share a grid name the same leader.
struct TensorPlan {
  TensorRole role = TensorRole::kActivation;
  quant::QuantSpec spec;
  ir::ValueId leader = ir::kNoValue;         // the value whose encoding this one takes; itself when it has its own
  ir::ValueId untied_leader = ir::kNoValue;  // what `leader` was before operators with one encoding for all were tied
  std::optional<quant::Range> fixed_range;   // prescribed by the profile
  // For kBias: s_bias = s_input * s_weight when both are set; otherwise the bias has a range of its own.
  ir::ValueId bias_of_input = ir::kNoValue;
  ir::ValueId bias_of_weight = ir::kNoValue;
  std::string reason;                        // which rule decided, for the report
};

struct QuantPlan {
  std::map<ir::ValueId, TensorPlan> tensors;
  std::map<ir::ValueId, std::string> left_float;  // why a float tensor has no entry
  std::set<ir::ValueId> fused_inside;             // of these, results that never leave a fused operator
  // What the user asked to be computed in float. Such a node dequantizes its inputs and, where a quantized node reads
  // its result, quantizes that; `requested_float` are the tensors without a grid because of it.
  std::set<ir::NodeId> float_nodes;
  std::set<ir::ValueId> requested_float;
  [[nodiscard]] const TensorPlan* find(ir::ValueId id) const {
    const auto at = tensors.find(id);
    return at == tensors.end() ? nullptr : &at->second;
  }
};

struct EncodingEntry {
  quant::Encoding encoding;
  std::string source;   // "min-max", "fixed range", "file", ...
  bool frozen = false;  // never recomputed (values already lie on the grid)
  bool degenerate = false;  // the observed range was below the minimum range
};

using EncodingTable = std::map<ir::ValueId, EncodingEntry>;

[[nodiscard]] inline const quant::Encoding* find_encoding(const EncodingTable& table, ir::ValueId id) {
  const auto at = table.find(id);
  return at == table.end() ? nullptr : &at->second.encoding;
}

// What a folded BatchNormalization said about the tensor that now replaces its output.
struct FoldedBatchNorm {
  std::vector<float> mean;       // beta: mean of the pre-activation, per channel
  std::vector<float> deviation;  // |gamma|: its standard deviation
};

struct ModelState {
  ir::Graph graph;
  QuantPlan plan;
  EncodingTable encodings;
  std::map<ir::ValueId, FoldedBatchNorm> folded_batch_norms;
};

}  // namespace qtool::model
