// Ends of blocks, what errors inside are worth there, and levels found against them.
#include "blocks.h"

#include <gtest/gtest.h>

#include <functional>

#include "adjoint.h"
#include "block_judge.h"
#include "coupling_depthwise.h"
#include "problem_fixture.h"
#include "qtool/exec/executor.h"
#include "support/graph_builder.h"

namespace qtool::rounding {
namespace {

using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using testing::noise;
using qtool::testing::random_tensor;

std::vector<std::string> end_names(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::ValueId id : find_block_ends(graph)) names.push_back(graph.value(id).name);
  return names;
}

TEST(Blocks, EndAtSumsTheirActivationsAndLinearBottlenecks) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 6, 6});
  const auto expand = b.node("Relu", {b.node("Conv", {x, b.random("w1", {8, 4, 1, 1})}, "c1")}, "expand");
  const auto bottleneck = b.node("Conv", {expand, b.random("w2", {4, 8, 1, 1})}, "bottleneck");
  const auto c3 = b.node("Conv", {bottleneck, b.random("w3", {4, 4, 1, 1})}, "c3");  // the skip branch is alive beside it
  const auto sum = b.node("Add", {c3, bottleneck}, "sum");
  const auto after = b.node("Relu", {sum}, "after");
  b.output(b.node("Conv", {after, b.random("w4", {2, 4, 1, 1})}, "y"));
  EXPECT_EQ(end_names(b.build().graph), (std::vector<std::string>{"bottleneck", "after", "y"}));
}

// d(u . end)/d(value) by central differences against the adjoint graph.
void expect_adjoint(const model::ModelState& model, const std::string& wanted, const std::string& end, const Shape& input) {
  const ir::Graph& g = model.graph;
  const AdjointGraph adjoint = make_adjoint(g, {g.find_value(end)}, {g.find_value(wanted)});
  ASSERT_EQ(adjoint.graph.outputs.size(), 1u);
  const Tensor x = random_tensor(input, 5, -1.0f, 1.0f), u = random_tensor(g.type_of(g.find_value(end)).shape, 6, -1.0f, 1.0f);
  const exec::Executor backward(adjoint.graph, {});
  const std::vector<float> found = backward.new_session().run({x, u})[0].to_float();

  // `wanted` as an input of the model, its value found by a first run.
  ir::Graph head = g, tail = g;
  head.outputs = {head.find_value(wanted)};
  head.remove_unused();
  const exec::Executor first(head, {});
  const Tensor at = first.new_session().run({x})[0];
  const ir::ValueId value = tail.find_value(wanted), free = tail.add_value("free", g.type_of(value));
  tail.replace_all_uses(value, free);
  tail.inputs.push_back(free);
  tail.outputs = {tail.find_value(end)};
  const exec::Executor last(tail, {});
  const auto product = [&](const Tensor& moved) {
    const std::vector<float> y = last.new_session().run({x, moved})[0].to_float(), probe = u.to_float();
    double sum = 0.0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(probe[i]);
    return sum;
  };
  constexpr float kStep = 1e-3f;
  for (size_t i = 0; i < found.size(); i += 7) {
    Tensor up = Tensor::from<float>(at.shape(), at.data<float>()), down = Tensor::from<float>(at.shape(), at.data<float>());
    up.mutable_data<float>()[i] += kStep;
    down.mutable_data<float>()[i] -= kStep;
    EXPECT_NEAR(found[i], (product(up) - product(down)) / (2.0 * static_cast<double>(kStep)), 5e-3) << wanted << " " << i;
  }
}

TEST(Adjoint, OfConvolutionsClipsAndSumsIsTheDerivative) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 3, 9, 9});
  const auto c1 = b.node("Conv", {x, b.random("w1", {6, 3, 1, 1}, -0.5f, 0.5f)}, "c1");
  const auto r1 = b.node("Relu", {c1}, "r1");
  // Stride 2 with one pad leaves the last row and column to output_padding; 1x1 kernels skip pixels.
  const auto c2 = b.node("Conv", {r1, b.random("w2", {6, 1, 3, 3}, -0.5f, 0.5f)}, "c2", {{"pads", Ints{1, 1, 0, 0}}, {"strides", Ints{2, 2}}, {"group", int64_t{6}}});
  const auto skip = b.node("Conv", {r1, b.random("w3", {6, 6, 1, 1}, -0.5f, 0.5f)}, "skip", {{"strides", Ints{2, 2}}, {"pads", Ints{0, 0, -1, -1}}});
  const auto sum = b.node("Add", {b.node("Sigmoid", {c2}, "s2"), skip}, "sum");
  b.output(b.node("GlobalAveragePool", {b.node("Mul", {sum, c2}, "product")}, "y"));
  const model::ModelState model = b.build();
  expect_adjoint(model, "c1", "product", {1, 3, 9, 9});
  expect_adjoint(model, "c2", "y", {1, 3, 9, 9});
}

TEST(Adjoint, OfAttentionIsTheDerivative) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 5, 6});
  const auto q = b.node("MatMul", {x, b.random("wq", {6, 6}, -0.5f, 0.5f)}, "q");
  const auto k = b.node("MatMul", {x, b.random("wk", {6, 6}, -0.5f, 0.5f)}, "k");
  const auto v = b.node("MatMul", {x, b.random("wv", {6, 6}, -0.5f, 0.5f)}, "v");
  const auto scores = b.node("MatMul", {q, b.node("Transpose", {k}, "kt", {{"perm", Ints{0, 2, 1}}})}, "scores");
  const auto mixed = b.node("MatMul", {b.node("Softmax", {scores}, "weights", {{"axis", int64_t{-1}}}), v}, "mixed");
  b.output(b.node("Add", {b.node("MatMul", {mixed, b.random("wo", {6, 6}, -0.5f, 0.5f)}, "o"), x}, "y"));
  const model::ModelState model = b.build();
  for (const char* name : {"q", "k", "v"}) expect_adjoint(model, name, "y", {1, 5, 6});
}

TEST(Adjoint, OperatorsWithoutARuleLeaveNoHalfAdjoint) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4});
  const auto m = b.node("MatMul", {x, b.random("w", {4, 4})}, "m");
  b.output(b.node("Add", {b.node("Cos", {m}, "cos"), m}, "y"));  // the plain branch alone would be a wrong derivative
  const model::ModelState model = b.build();
  const AdjointGraph adjoint = make_adjoint(model.graph, {model.graph.find_value("y")}, {model.graph.find_value("m")});
  EXPECT_TRUE(adjoint.graph.outputs.empty());
}

// G = B'B of few directions, as a narrow layer behind many channels gives.
std::vector<float> narrow_coupling(int64_t channels, int64_t directions) {
  std::vector<float> g(static_cast<size_t>(channels * channels), 0.0f);
  for (int64_t d = 0; d < directions; ++d) {
    for (int64_t a = 0; a < channels; ++a) {
      for (int64_t c = 0; c < channels; ++c) {
        g[static_cast<size_t>(a * channels + c)] += noise(3, static_cast<uint64_t>(d), static_cast<uint64_t>(a)) * noise(3, static_cast<uint64_t>(d), static_cast<uint64_t>(c));
      }
    }
  }
  return g;
}

// Mean over judged rows of e'G e, e = (w - weights) (x - mean): what the block's end sees.
double coupled_error(const LayerProblem& p, const std::vector<float>& weights, const std::vector<float>& g) {
  const LayerShape& s = p.shape();
  std::vector<double> mean(static_cast<size_t>(s.row()), 0.0);
  const Rows& rows = p.data.judged;
  for (size_t i = 0; i < rows.x.size(); ++i) mean[i % mean.size()] += static_cast<double>(rows.x[i]) / static_cast<double>(rows.count);
  double total = 0.0;
  for (int64_t r = 0; r < rows.count; ++r) {
    std::vector<double> e(static_cast<size_t>(s.channels()), 0.0);
    for (int64_t c = 0; c < s.channels(); ++c) {
      for (int64_t k = 0; k < s.inputs; ++k) {
        const auto input = static_cast<size_t>(c / s.outputs * s.inputs + k), at = static_cast<size_t>(c * s.inputs + k);
        e[static_cast<size_t>(c)] += static_cast<double>(weights[at] - p.weights[at]) * (static_cast<double>(rows.x[static_cast<size_t>(r * s.row()) + input]) - mean[input]);
      }
    }
    for (size_t a = 0; a < e.size(); ++a) {
      for (size_t c = 0; c < e.size(); ++c) total += e[a] * e[c] * static_cast<double>(g[a * e.size() + c]);
    }
  }
  return total / static_cast<double>(rows.count);
}

void expect_less_at_block_end(const LayerShape& shape, double share) {
  testing::Layer layer(shape, testing::kChannelW4, true);
  const std::vector<float> g = narrow_coupling(shape.channels(), shape.channels() / 6);
  layer.problem.coupling = g;
  const Regression regression(layer.problem);
  const GridSearchResult result = search_grid(layer.problem, regression, layer.problem.weights, 0.1, default_search(4));
  ASSERT_TRUE(result.coupled.has_value());
  EXPECT_LT(coupled_error(layer.problem, result.coupled->weights, g), share * coupled_error(layer.problem, result.found.weights, g));
  const Judge judge(layer.problem);  // the layer's own error pays for it
  EXPECT_GE(judge.error(result.coupled->weights, regression.bias_for(result.coupled->weights)),
            judge.error(result.found.weights, regression.bias_for(result.found.weights)));
}

TEST(Coupling, ChannelsMakeUpForEachOther) { expect_less_at_block_end({.groups = 1, .inputs = 20, .outputs = 48}, 0.7); }

TEST(Coupling, DepthwiseChannelsMakeUpForEachOther) { expect_less_at_block_end({.groups = 48, .inputs = 9, .outputs = 1}, 0.8); }

TEST(Coupling, WithoutCouplingThereIsNoSecondAnswer) {
  testing::Layer layer({.groups = 1, .inputs = 12, .outputs = 6}, testing::kChannelW4, true);
  const Regression regression(layer.problem);
  EXPECT_FALSE(search_grid(layer.problem, regression, layer.problem.weights, 0.1, default_search(4)).coupled.has_value());
}

TEST(Tabu, NeverRaisesTheLossAndSometimesLowersIt) {
  testing::Layer layer({.groups = 1, .inputs = 24, .outputs = 32}, testing::kChannelW4, true);
  const Regression regression(layer.problem);
  const Metric metric(regression.metric(0, 0.1), 24);
  const Descent descent(metric, layer.problem.weights);
  std::vector<ChannelState> states(16, {.scale = 1.0 / 7.0, .bounds = {-8.0f, 7.0f}});
  descent.start(0, states);
  int lower = 0;
  for (int64_t c = 0; c < 16; ++c) {
    ChannelState& state = states[static_cast<size_t>(c)];
    const double before = descent.loss(c, state);
    const bool said = descent.tabu_search(state);
    const double after = descent.loss(c, state);
    EXPECT_NEAR(after, descent.loss_from_levels(c, state), 1e-4 * before) << c;  // levels and gradient belong together
    EXPECT_LE(after, before * (1.0 + 1e-6));
    EXPECT_EQ(said, after < before * (1.0 - 1e-9)) << c;
    lower += said ? 1 : 0;
  }
  EXPECT_GT(lower, 0);
}

TEST(Coupling, SameLevelsForAnyThreadCount) {
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 3}) {
    testing::Layer layer({.groups = 1, .inputs = 20, .outputs = 30}, testing::kChannelW4, true, 600, threads);
    const std::vector<float> g = narrow_coupling(30, 5);
    layer.problem.coupling = g;
    found.push_back(search_grid(layer.problem, Regression(layer.problem), layer.problem.weights, 0.1, default_search(4)).coupled->weights);
  }
  EXPECT_EQ(found[0], found[1]);
}

}  // namespace
}  // namespace qtool::rounding
