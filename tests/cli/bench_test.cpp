// qtool bench: what it reports, and what a wrong command line is answered with.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class Bench : public ToolTest {
 protected:
  Outcome bench(const Arguments& options) const {
    Arguments words = {"bench", sample("classifier.onnx"), "--seconds", "0.1"};
    words.insert(words.end(), options.begin(), options.end());
    return run(words);
  }
};

TEST_F(Bench, ReportsSpeedMemoryAndTheStateOfTheMachine) {
  const Outcome outcome = bench({"--threads", "2", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json.at("backend"), "fp32");
  EXPECT_EQ(json.at("threads"), 2);
  for (const char* key : {"images_per_second", "ms_per_image", "latency_ms", "import_ms", "plan_ms", "peak_memory_mb", "arena_mb", "rounds", "images"}) {
    EXPECT_GT(json.at(key).get<double>(), 0.0) << key;
  }
  EXPECT_NEAR(json.at("images_per_second").get<double>() * json.at("ms_per_image").get<double>(), 1000.0, 10.0);
  EXPECT_GT(json.at("fma_gflops").at("1").get<double>(), 0.1);
  EXPECT_GT(json.at("fma_gflops").at("2").get<double>(), 0.1);
}

TEST_F(Bench, ListsItsStepsSlowestFirst) {
  const Outcome outcome = bench({"--threads", "1", "--profile", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  const Json& steps = json.at("steps_ms");
  ASSERT_EQ(steps.size(), json.at("steps").get<size_t>());
  EXPECT_THAT(steps.front().at("op").get<std::string>(), AnyOf("Conv", "qtool.BandedBlock"));
  for (size_t i = 1; i < steps.size(); ++i) EXPECT_LE(steps[i].at("ms"), steps[i - 1].at("ms"));
  const Outcome text = bench({"--threads", "1", "--profile"});
  for (const char* word : {"by operator", "slowest steps", "Conv '"}) EXPECT_THAT(text.out, HasSubstr(word));
}

TEST_F(Bench, PinsTheInstructionSet) {
  const Outcome outcome = bench({"--threads", "1", "--isa", "generic", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("isa"), "generic");
}

TEST_F(Bench, RunsTheSimulation) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--emit", "encodings", "--limit", "4"}).exit_code, 0);
  for (const Arguments& options : {Arguments{"--backend", "sim"}, Arguments{}}) {
    Arguments words = {"--encodings", "out/classifier.encodings.json", "--threads", "1", "--json"};
    words.insert(words.end(), options.begin(), options.end());
    const Outcome outcome = bench(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(Json::parse(outcome.out).at("backend"), "sim");
  }
}

TEST_F(Bench, SpeaksPlainTextToo) {
  const Outcome outcome = bench({"--threads", "1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* word : {"images/s", "latency", "import", "MB peak", "GFLOP/s"}) EXPECT_THAT(outcome.out, HasSubstr(word));
}

TEST_F(Bench, ContradictoryOptionsAreUsageErrors) {
  const Outcome missing = bench({"--backend", "sim"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("--encodings"));
  const Outcome both = bench({"--backend", "fp32", "--encodings", "e.json"});
  EXPECT_EQ(both.exit_code, 2);
  const Outcome unknown = bench({"--backend", "simm"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("'sim'"));
  EXPECT_EQ(bench({"--seconds", "0"}).exit_code, 2);
}

TEST_F(Bench, BadFilesAreNamed) {
  write_text(folder_ / "broken.json", "{\"activation_encodings\": ");
  const Outcome broken = bench({"--encodings", "broken.json"});
  EXPECT_EQ(broken.exit_code, 3);
  EXPECT_THAT(broken.err, HasSubstr("broken.json"));
  const Outcome missing = bench({"--encodings", "nowhere.json"});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.err, HasSubstr("nowhere.json"));
  EXPECT_EQ(run({"bench", "nowhere.onnx"}).exit_code, 4);
}

}  // namespace
}  // namespace qtool::cli_test
