// The simulation on 8-bit integers against the one that carries integers in floats: every value, to the bit.
#include "integer_support.h"
#include "isa_scope.h"
#include "random_simulation.h"

namespace qtool::exec::testing {
namespace {

#define SKIP_WITHOUT_INTEGER_KERNELS() \
  if (!integer_kernels_usable()) GTEST_SKIP() << "8-bit products saturate on this processor"

std::vector<ir::ValueId> encoded_values(const Simulated& sim) {
  std::vector<ir::ValueId> ids;
  for (const auto& [id, entry] : sim.table) {
    if (!sim.graph.is_constant(id)) ids.push_back(id);
  }
  return ids;
}

size_t expect_both_ways_equal(const Simulated& sim, const std::vector<ir::ValueId>& observed, unsigned seed, int threads = 1) {
  const ExecOptions integers{.intra_threads = threads, .observed = observed, .encodings = &sim.table};
  const ExecOptions floats{.observed = observed, .encodings = &sim.table, .integer_kernels = IntegerKernels::kOff};
  const Executor ours(sim.graph, integers), theirs(sim.graph, floats);
  EXPECT_EQ(0u, theirs.summary().integer_steps);
  EXPECT_EQ(theirs.summary().inexact_products, ours.summary().inexact_products);
  Session session = ours.new_session(), other = theirs.new_session();
  for (const unsigned round : {0u, 1u}) {
    const auto inputs = random_inputs(sim.graph, seed + round);
    const Observation found = run_observed(session, inputs), expected = run_observed(other, inputs);
    for (const ir::ValueId id : observed) {
      EXPECT_TRUE(expected.taps.contains(id) && found.taps.contains(id)) << sim.graph.value(id).name;
      if (::testing::Test::HasFailure()) return 0;
      expect_identical(expected.taps.at(id), found.taps.at(id), "tap of " + sim.graph.value(id).name);
    }
    for (size_t i = 0; i < expected.outputs.size(); ++i) {
      expect_identical(expected.outputs[i], found.outputs[i], "output " + sim.graph.value(sim.graph.outputs[i]).name);
    }
  }
  return ours.summary().integer_steps;
}

TEST(IntegerKernels, RandomNetworksWithEveryValueObserved) {
  SKIP_WITHOUT_INTEGER_KERNELS();
  size_t steps = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    const Simulated sim = random_simulation(seed);
    SCOPED_TRACE(format("seed {}", seed));
    steps += expect_both_ways_equal(sim, encoded_values(sim), seed);
    if (::testing::Test::HasFailure()) FAIL() << sim.graph.to_text();
  }
  EXPECT_GT(steps, 600u);
}

// Without observers chains of operators become one step.
TEST(IntegerKernels, RandomNetworksWithNothingObserved) {
  SKIP_WITHOUT_INTEGER_KERNELS();
  size_t steps = 0;
  for (unsigned seed = 1001; seed <= 1300; ++seed) {
    const Simulated sim = random_simulation(seed, seed % 2 == 0 ? EncodedShare::kAll : EncodedShare::kMost);
    SCOPED_TRACE(format("seed {}", seed));
    steps += expect_both_ways_equal(sim, {}, seed, seed % 25 == 0 ? 2 : 1);
    if (::testing::Test::HasFailure()) FAIL() << sim.graph.to_text();
  }
  EXPECT_GT(steps, 600u);
}

}  // namespace
}  // namespace qtool::exec::testing
