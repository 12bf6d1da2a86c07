// A small profile, and helpers to plan with it and to make encodings from given ranges.
#pragma once

#include "pass_fixture.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"

namespace qtool::passes::testing {

using calib::TensorStatistics;
using model::TensorRole;

inline model::TargetProfile profile() {
  return {.name = "test",
          .summary = {},
          .weight_symmetric = true,
          .per_channel = true,
          .per_channel_ops = {"Conv", "ConvTranspose"},
          .bias_bits = 32,
          .fused_groups = {{"Conv", "Relu"}},
          .same_encoding_ops = {"Reshape", "MaxPool", "Transpose"},
          .tied_ops = {"Concat"},
          .fixed_output_ranges = {{"Sigmoid", {0.0, 1.0}}},
          .unquantized_ops = {"Shape", "Cast"}};
}

inline model::ModelState planned(GraphBuilder& b, const model::TargetProfile& wanted = profile()) {
  model::ModelState state = b.build();
  plan_quantization(state, wanted, ops::builtin_registry());
  return state;
}

inline std::map<ir::ValueId, TensorStatistics> statistics_for(const model::ModelState& state, quant::Range range = {-1.0, 3.0}) {
  std::map<ir::ValueId, TensorStatistics> statistics;
  for (const ir::ValueId id : observed_values(state)) statistics[id] = {.range = range, .count = 10, .non_finite = 0, .histogram = {}};
  return statistics;
}

inline EncodingNotes compute(model::ModelState& state, const std::map<ir::ValueId, TensorStatistics>& statistics) {
  const calib::Method& method = calib::builtin_registry().at("min-max");
  return compute_encodings(state, statistics, method, method);
}

inline ir::ValueId conv(GraphBuilder& b, ir::ValueId x, Shape weight, const std::string& output, Attributes attributes = {}) {
  const int64_t out = weight[0];
  return b.node("Conv", {x, b.random(output + ".w", std::move(weight)), b.random(output + ".b", {out})}, output, std::move(attributes));
}

inline const quant::Encoding& grid(const model::ModelState& state, ir::ValueId id) { return state.encodings.at(id).encoding; }

}  // namespace qtool::passes::testing
