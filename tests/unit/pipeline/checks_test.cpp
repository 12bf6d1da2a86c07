// The checks that speak up on their own: wrong normalisation, silenced and coarse output rows.
#include <gtest/gtest.h>

#include "coarse_outputs.h"
#include "dead_outputs.h"
#include "first_outputs.h"
#include "normalization_check.h"

namespace qtool::pipeline {
namespace {

using ir::ValueId;

// x [1, 2, 4] -> Mul by `factors` [1, 2, 1] -> y: two rows of very different size.
model::ModelState two_rows(float small) {
  model::ModelState state;
  ir::Graph& graph = state.graph;
  const TensorType type{DType::kFloat32, {1, 2, 4}};
  const ValueId x = graph.add_value("x", type);
  const ValueId y = graph.add_value("y", type);
  const ValueId factors = graph.add_constant("factors", Tensor::from<float>({1, 2, 1}, {640.0f, small}));
  graph.inputs = {x};
  graph.outputs = {y};
  graph.add_node({.name = "mul", .op_type = "Mul", .opset = 13, .inputs = {x, factors}, .outputs = {y}});
  const quant::Range range{0.0, 640.0};
  state.encodings[y] = {.encoding = quant::encoding_from_ranges({}, {&range, 1}), .source = "min-max"};
  return state;
}

class Ones final : public data::SampleSource {
 public:
  [[nodiscard]] int64_t size() const override { return 1; }
  [[nodiscard]] data::Sample load(int64_t) const override {
    Tensor x(DType::kFloat32, {1, 2, 4});
    for (float& value : x.mutable_data<float>()) value = 1.0f;
    return {{"x", x}};
  }
  [[nodiscard]] std::string name(int64_t) const override { return "ones"; }
};

std::vector<std::string> warnings_of(const model::ModelState& state) { return dead_output_warnings(state, first_outputs(state.graph, Ones())); }
std::vector<std::string> advice_of(const model::ModelState& state) { return coarse_output_advice(state, first_outputs(state.graph, Ones())); }

TEST(DeadOutputs, ScoresBesideBoxesAreTold) {
  const auto warnings = warnings_of(two_rows(0.9f));  // the step is 2.5: 0.9 rounds to 0
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("'y'"), std::string::npos);
  EXPECT_NE(warnings[0].find("1 of 2 rows of axis 1 (from row 1)"), std::string::npos);
}

TEST(CoarseOutputs, ScoresInFewStepsOfAWideGridAreTold) {
  model::ModelState state = two_rows(0.9f);
  EXPECT_TRUE(advice_of(state).empty()) << "8 bits are the business of the other check";
  quant::Encoding& grid = state.encodings.at(state.graph.outputs[0]).encoding;
  const quant::Range range{0.0, 640.0};
  grid = quant::encoding_from_ranges({.bits = 16, .symmetry = quant::Symmetry::kAsymmetric}, {&range, 1});
  const auto advice = advice_of(state);
  ASSERT_EQ(advice.size(), 1u);
  EXPECT_NE(advice[0].find("in 92 steps of 0.0098"), std::string::npos) << advice[0];
  EXPECT_NE(advice[0].find("--split-output"), std::string::npos) << advice[0];
  const quant::Range narrow{0.0, 200.0};
  grid = quant::encoding_from_ranges({.bits = 16, .symmetry = quant::Symmetry::kAsymmetric}, {&narrow, 1});
  EXPECT_TRUE(advice_of(state).empty()) << "295 steps are more than 8 bits give";
}

TEST(DeadOutputs, RowsThatSurviveAreNot) { EXPECT_TRUE(warnings_of(two_rows(5.0f)).empty()); }
TEST(DeadOutputs, RowsThatAreZeroInFloatAreNot) { EXPECT_TRUE(warnings_of(two_rows(0.0f)).empty()); }

TEST(NormalizationCheck, RangesFarBeyondTheStatisticsAreTold) {
  model::ModelState state = two_rows(1.0f);
  const ValueId y = state.graph.find_value("y");
  state.folded_batch_norms[y] = {.mean = {0.0f, 1.0f}, .deviation = {1.0f, 0.5f}};  // expects |y| <= 8
  std::map<ValueId, calib::TensorStatistics> statistics;
  statistics[y] = {.range = {-6.0, 9.0}, .count = 8};
  EXPECT_TRUE(layers_outside_batch_norm(state, statistics).empty());
  statistics[y].range = {-6.0, 600.0};
  EXPECT_EQ(layers_outside_batch_norm(state, statistics), (std::vector<std::string>{"y"}));
  EXPECT_EQ(comparable_layers(state, statistics), 1u);
}

}  // namespace
}  // namespace qtool::pipeline
