#include <gmock/gmock.h>

#include "pass_fixture.h"
#include "qtool/support/error.h"

namespace qtool::passes::testing {
namespace {

using ::testing::ElementsAre;

TEST(Registry, UnknownNamesComeWithASuggestion) {
  try {
    (void)builtin_registry().at("fold_batchnorm");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("fold_batch_norm"));
  }
}

TEST(Registry, EveryPassSaysWhatItDoes) {
  for (const Registry::Entry* entry : builtin_registry().all()) {
    EXPECT_FALSE(entry->info.summary.empty()) << entry->info.name;
    EXPECT_NE(entry->make(), nullptr);
  }
}

TEST(Cleanup, RunsUntilNothingChanges) {
  // The identity stands between the layer and its batch norm, the pad in front of the layer.
  GraphBuilder b;
  const auto pad = b.node("Pad", {b.input("x", {1, 2, 6, 6}), b.constant("p", ints({0, 0, 1, 1, 0, 0, 1, 1}))}, "pad");
  const auto conv = b.node("Conv", {b.node("Identity", {pad}, "i1"), b.random("w", {3, 2, 3, 3})}, "conv");
  const auto bn = b.batch_norm(b.node("Dropout", {b.node("Identity", {conv}, "i2")}, "drop"), 3, "bn");
  const auto relu = b.node("Relu", {bn}, "relu");
  b.output(b.node("Identity", {b.node("Min", {relu, b.scalar(6.0f)}, "six")}, "y"));
  const Outcome found = clean(b);
  EXPECT_THAT(op_types(found.graph()), ElementsAre("Conv", "Clip"));
}

TEST(Cleanup, DisabledPassesDoNotRun) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 2, 6, 6}), b.random("w", {3, 2, 3, 3})}, "conv");
  b.output(b.batch_norm(conv, 3, "bn"));
  model::ModelState state = b.build();
  SilentReporter silent;
  const auto log = run_cleanup(state, {.disabled = {"fold_batch_norm", "rewrite_batch_norm"}}, silent);
  EXPECT_THAT(op_types(state.graph), ElementsAre("Conv", "BatchNormalization"));
  for (const PassLogEntry& entry : log) EXPECT_NE(entry.pass, "fold_batch_norm");
  EXPECT_THROW(run_cleanup(state, {.disabled = {"fold_bn"}}, silent), Error);
}

TEST(Cleanup, PassesThatUndoEachOtherAreABug) {
  Registry registry;
  registry.add_rewrite({.name = "forever", .summary = "-", .category = PassCategory::kCleanup},
                       [](model::ModelState&, ir::NodeId) { return true; });
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("x", {1})}, "y"));
  model::ModelState state = b.build();
  SilentReporter silent;
  EXPECT_THROW(run_cleanup(state, {}, registry, silent), Error);
}

TEST(Cleanup, ASecondRunChangesNothing) {
  GraphBuilder b;
  const auto conv = b.node("Conv", {b.input("x", {1, 2, 6, 6}), b.random("w", {3, 2, 3, 3})}, "conv");
  b.output(b.node("Relu", {b.batch_norm(conv, 3, "bn")}, "y"));
  model::ModelState state = b.build();
  SilentReporter silent;
  run_cleanup(state, {}, silent);
  for (const PassLogEntry& entry : run_cleanup(state, {}, silent)) EXPECT_EQ(entry.changes, 0) << entry.pass;
}

}  // namespace
}  // namespace qtool::passes::testing
