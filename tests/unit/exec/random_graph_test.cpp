// Random networks on the fast kernels and on the reference kernels.
#include <thread>

#include "isa_scope.h"
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

TEST(RandomGraphs, EveryInstructionSetAgreesWithTheInterpreter) {
  for (const std::string& isa : available_isas()) {  // channel blocks of 8 and 16
    const IsaScope scope(isa);
    for (unsigned seed = 3001; seed <= 3100; ++seed) {
      const ir::Graph graph = random_graph(seed);
      SCOPED_TRACE(format("{} seed {}", isa, seed));
      expect_as_interpreted(graph, {}, seed, kChainTolerance);
      if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
    }
  }
}

TEST(RandomGraphs, TwoSessionsAndTwoRunsGiveTheSameBits) {
  for (unsigned seed = 4001; seed <= 4060; ++seed) {
    const ir::Graph graph = random_graph(seed);
    const auto inputs = random_inputs(graph, seed), others = random_inputs(graph, seed + 1);
    const Executor executor(graph, {});
    Session first = executor.new_session(), second = executor.new_session();
    const auto expected = first.run(inputs);
    (void)second.run(others);
    const auto again = first.run(inputs), elsewhere = second.run(inputs);
    const auto planned_again = Executor(graph, {}).new_session().run(inputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_TRUE(expected[i].identical(again[i])) << "second run, seed " << seed;
      ASSERT_TRUE(expected[i].identical(elsewhere[i])) << "second session, seed " << seed;
      ASSERT_TRUE(expected[i].identical(planned_again[i])) << "second plan, seed " << seed;
    }
  }
}

TEST(RandomGraphs, SessionsOnTwoThreadsGiveTheSameBits) {
  for (unsigned seed = 5001; seed <= 5020; ++seed) {
    const ir::Graph graph = random_graph(seed);
    const auto inputs = random_inputs(graph, seed);
    const Executor executor(graph, {});
    const auto expected = executor.new_session().run(inputs);
    const auto worker = [&] {
      Session session = executor.new_session();
      for (int round = 0; round < 5; ++round) {
        const auto found = session.run(inputs);
        for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(expected[i].identical(found[i])) << "seed " << seed;
      }
    };
    std::jthread left(worker), right(worker);
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
