// Simulation of random networks, value by value and bit by bit.
#include "isa_scope.h"
#include "qtool/ops/registry.h"
#include "random_simulation.h"

namespace qtool::exec::testing {
namespace {

TEST(RandomSimulations, EveryValueIsItsNodeOnTheValuesBeforePutOnTheGrid) {
  int64_t elements = 0, off_by_one = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    const Simulated sim = random_simulation(seed);
    const ir::Graph& graph = sim.graph;
    SCOPED_TRACE(format("seed {}", seed));
    std::vector<ir::ValueId> observed;
    for (const auto& [id, entry] : sim.table) {
      if (!graph.is_constant(id)) observed.push_back(id);
    }
    const auto inputs = random_inputs(graph, seed);
    Session session = Executor(graph, {.observed = observed, .encodings = &sim.table}).new_session();
    const Observation seen = run_observed(session, inputs);
    std::map<ir::ValueId, Tensor> values = seen.taps;
    for (size_t i = 0; i < inputs.size(); ++i) values.emplace(graph.inputs[i], inputs[i]);
    for (const ir::ValueId id : graph.value_ids()) {
      if (const Tensor* constant = graph.constant(id)) {
        const auto* encoding = model::find_encoding(sim.table, id);
        values[id] = encoding != nullptr ? on_grid(*constant, *encoding) : *constant;
      }
    }
    for (const ir::NodeId node_id : graph.topological_order()) {
      const ir::Node& node = graph.node(node_id);
      std::vector<const Tensor*> operands;
      for (const ir::ValueId id : node.inputs) operands.push_back(id == ir::kNoValue ? nullptr : &values.at(id));
      const auto results = ops::evaluate_node(ops::builtin_registry().at(node), ops::EvalContext(node, operands));
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const ir::ValueId id = node.outputs[i];
        const auto tapped = seen.taps.find(id);
        if (tapped == seen.taps.end()) {
          values[id] = results[i].clone();
          continue;
        }
        const Encoding& encoding = sim.table.at(id).encoding;
        expect_identical(on_grid(tapped->second, encoding), tapped->second, "grid of " + graph.value(id).name);
        const Tensor want = on_grid(results[i], encoding);
        // Float sums may fall on the other side of a rounding boundary: one level, and rarely. The float tolerance
        // counts for 16-bit grids, whose levels are close together.
        double largest = 0.0;
        for (const float v : results[i].data<float>()) largest = std::max(largest, std::abs(double{v}));
        const double allowed = encoding.grids[0].scale * 1.001 + kRelativeToMax * largest;
        for (size_t e = 0; e < want.data<float>().size(); ++e) {
          const double difference = std::abs(double{want.data<float>()[e]} - double{tapped->second.data<float>()[e]});
          ++elements;
          off_by_one += difference > 0.0;
          ASSERT_LE(difference, allowed) << graph.value(id).name << " element " << e << "\n" << graph.to_text();
        }
      }
    }
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const auto tapped = seen.taps.find(graph.outputs[i]);
      if (tapped != seen.taps.end()) expect_identical(tapped->second, seen.outputs[i], "output");
    }
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
  EXPECT_LT(static_cast<double>(off_by_one), 0.002 * static_cast<double>(elements));
}

// With every value on a grid all that is left are integer products and correctly rounded operations. Window averages
// and grouped transposed convolutions are sums in float, whose order the library chooses.
bool sums_floats(const ir::Graph& graph) {
  const auto ids = graph.node_ids();
  return std::any_of(ids.begin(), ids.end(), [&](ir::NodeId id) {
    const ir::Node& node = graph.node(id);
    return node.op_type == "AveragePool" || (node.op_type == "ConvTranspose" && node.attr_int("group", 1) > 1);
  });
}

TEST(RandomSimulations, BitsDoNotDependOnTheInstructionSetOrTheThreads) {
  int compared = 0;
  for (unsigned seed = 501; seed <= 530; ++seed) {
    const Simulated sim = random_simulation(seed, EncodedShare::kAll);
    if (sums_floats(sim.graph)) continue;
    ++compared;
    const auto inputs = random_inputs(sim.graph, seed);
    std::vector<Tensor> expected;
    for (const std::string& isa : available_isas()) {
      const IsaScope scope(isa);
      const int threads = isa == "generic" ? 1 : 2;
      const Executor executor(sim.graph, {.intra_threads = threads, .encodings = &sim.table});
      EXPECT_EQ(0u, executor.summary().inexact_products) << "seed " << seed;
      const auto outputs = executor.new_session().run(inputs);
      if (expected.empty()) expected = outputs;
      for (size_t i = 0; i < outputs.size(); ++i) {
        ASSERT_TRUE(expected[i].identical(outputs[i]))
            << "seed " << seed << " " << isa << " output " << i << "\n" << sim.graph.to_text();
      }
    }
  }
  EXPECT_GT(compared, 10);
}

}  // namespace
}  // namespace qtool::exec::testing
