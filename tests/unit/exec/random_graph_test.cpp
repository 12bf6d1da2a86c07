// Random networks on the fast kernels and on the reference kernels.
#include "random_graph.h"

namespace qtool::exec::testing {
namespace {

constexpr unsigned kGraphs = 200;

// Chains of ten operators with divisions and exponentials carry errors on.
constexpr double kChainTolerance = 3e-5;

TEST(RandomGraphs, FastKernelsAgreeWithTheInterpreter) {
  for (unsigned seed = 1; seed <= kGraphs; ++seed) {
    const ir::Graph graph = random_graph(seed);
    SCOPED_TRACE(format("seed {}", seed));
    expect_as_interpreted(graph, {}, seed, kChainTolerance);
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
}

TEST(RandomGraphs, TapsSeeTheValuesOfTheInterpreter) {
  for (unsigned seed = 1001; seed <= 1000 + kGraphs; ++seed) {
    const ir::Graph graph = random_graph(seed);
    SCOPED_TRACE(format("seed {}", seed));
    std::mt19937 random(seed);
    std::vector<ir::ValueId> observed;
    for (const ir::ValueId id : graph.value_ids()) {
      if (!graph.is_constant(id) && random() % 3 == 0) observed.push_back(id);
    }
    expect_as_interpreted(graph, observed, seed, kChainTolerance);
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
}

TEST(RandomGraphs, ReferenceOnlyExecutorAgreesWithTheInterpreterToTheBit) {
  for (unsigned seed = 2001; seed <= 2040; ++seed) {
    const ir::Graph graph = random_graph(seed);
    const auto inputs = random_inputs(graph, seed);
    Session session = Executor(graph, {.reference_only = true}).new_session();
    const auto found = session.run(inputs);
    const auto expected = ops::interpret(graph, ops::builtin_registry(), inputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_TRUE(expected[i].identical(found[i])) << "seed " << seed << " output " << i << "\n" << graph.to_text();
    }
  }
}

}  // namespace
}  // namespace qtool::exec::testing
