// --optimizations, --data-free and what comes with them, on the bundled classifier.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;

class Optimizations : public ToolTest {
 protected:
  [[nodiscard]] static Json row(const Json& rows, const std::string& stage) {
    for (const Json& candidate : rows) {
      if (candidate["stage"] == stage) return candidate;
    }
    return {};
  }
};

TEST_F(Optimizations, TellEveryStageAndItsDecision) {
  const Outcome done = quantize("classifier", folder_ / "out", {"--optimizations", "cle,bc", "--bias_bitwidth", "32", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json rows = Json::parse(done.out)["optimizations"];
  for (const char* stage : {"start", "dead-channels", "cle", "hba", "bc"}) EXPECT_FALSE(row(rows, stage).is_null()) << stage;
  EXPECT_EQ(row(rows, "bc")["decision"], "kept");
  EXPECT_GT(row(rows, "bc")["sqnr_db"].get<double>(), row(rows, "start")["sqnr_db"].get<double>() + 3.0);
  const Json report = Json::parse(read_text(folder_ / "out" / "report.json"));
  EXPECT_EQ(row(report["optimizations"]["stages"], "bc")["sqnr_db"], row(rows, "bc")["sqnr_db"]);
  EXPECT_FALSE(row(report["optimizations"]["stages"], "bc").contains("seconds"));
  EXPECT_TRUE(row(rows, "bc").contains("seconds"));

  const Outcome text = quantize("classifier", folder_ / "text", {"--optimizations", "bc", "--bias_bitwidth", "32"});
  EXPECT_THAT(text.out, HasSubstr("dead-channels"));
  EXPECT_THAT(text.out, HasSubstr("kept aside to judge by"));
}

TEST_F(Optimizations, MayBeRepeatedAndGiveTheSameBytesForAnyThreadCount) {
  const Arguments once{"--optimizations", "cle,bc", "--bias_bitwidth", "32", "--threads", "1"};
  const Arguments twice{"--optimizations", "cle", "--optimizations", "bc", "--bias_bitwidth", "32", "--threads", "3"};
  ASSERT_EQ(quantize("classifier", folder_ / "a", once).exit_code, 0);
  ASSERT_EQ(quantize("classifier", folder_ / "b", twice).exit_code, 0);
  EXPECT_TRUE(same_files(files_below(folder_ / "a"), files_below(folder_ / "b")));
}

TEST_F(Optimizations, UnknownOnesAreAnsweredWithTheNearest) {
  const Outcome done = quantize("classifier", folder_ / "out", {"--optimizations", "cle,bcc"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("did you mean 'bc'"));
}

// user-asks T8
TEST_F(Optimizations, BiasCorrectionWithNarrowBiasesIsWarnedAboutWithItsMeasuredCost) {
  const Outcome done = quantize("classifier", folder_ / "out", {"--optimizations", "bc", "--bias_bitwidth", "8"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("bc with 8-bit biases"));
  EXPECT_THAT(done.err, HasSubstr("measured: "));
}

TEST_F(Optimizations, TheAdaptedModelEvaluatesOnTheRunsEncodings) {
  const Outcome done = quantize("classifier", folder_ / "out",
                                {"--optimizations", "cle,bc", "--bias_bitwidth", "32", "--export-onnx", (folder_ / "adapted.onnx").string()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto sqnr = [&](const fs::path& model, const fs::path& encodings) {
    const Outcome compared = run({"evaluate", model.string(), "--encodings", encodings.string(), "--reference", sample("classifier.onnx").string(),
                                  "--images", sample("calib/classifier").string(), "--preprocess", sample("classifier.preprocess.json").string(), "--json"});
    EXPECT_EQ(compared.exit_code, 0) << compared.err;
    return Json::parse(compared.out)["outputs"].begin().value()["sqnr_db"].get<double>();
  };
  ASSERT_EQ(quantize("classifier", folder_ / "plain", {"--bias_bitwidth", "32"}).exit_code, 0);
  const double plain = sqnr(sample("classifier.onnx"), folder_ / "plain" / "classifier.encodings.json");
  const double adapted = sqnr(folder_ / "adapted.onnx", folder_ / "out" / "classifier.encodings.json");
  EXPECT_GT(adapted, plain + 3.0);
}

TEST_F(Optimizations, DataFreeNeedsNoImages) {
  const Outcome done = run({"quantize", sample("classifier.onnx").string(), "--data-free", "--preprocess",
                            sample("classifier.preprocess.json").string(), "--bias_bitwidth", "32", "-o", (folder_ / "out").string(), "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json summary = Json::parse(done.out);
  EXPECT_EQ(summary["samples"], 0);
  EXPECT_EQ(row(summary["optimizations"], "bc")["decision"], "kept");
  EXPECT_TRUE(fs::exists(folder_ / "out" / "classifier.dlc"));
}

// Exporters fold batch norms; nothing is known of activations then, and pictures are made up.
TEST_F(Optimizations, DataFreeWorksOnModelsWhoseBatchNormsAreFolded) {
  const fs::path folded = folder_ / "folded.onnx";
  ASSERT_EQ(quantize("classifier", folder_ / "first", {"--export-onnx", folded.string()}).exit_code, 0);
  const auto data_free = [&](const char* out, const char* threads) {
    return run({"quantize", folded.string(), "--data-free", "--preprocess", sample("classifier.preprocess.json").string(), "--bias_bitwidth", "32",
                "--threads", threads, "-o", (folder_ / out).string(), "--json"});
  };
  const Outcome done = data_free("one", "1");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("synthetic pictures"));
  const Json report = Json::parse(read_text(folder_ / "one" / "report.json"));
  EXPECT_EQ(report["calibration"]["synthetic_pictures"], true);
  ASSERT_EQ(data_free("many", "3").exit_code, 0);
  EXPECT_TRUE(same_files(files_below(folder_ / "one"), files_below(folder_ / "many")));

  const Outcome compared = run({"evaluate", folded.string(), "--encodings", (folder_ / "one" / "folded.encodings.json").string(), "--images",
                                sample("calib/classifier").string(), "--preprocess", sample("classifier.preprocess.json").string(), "--json"});
  ASSERT_EQ(compared.exit_code, 0) << compared.err;
  EXPECT_GT(Json::parse(compared.out)["outputs"].begin().value()["sqnr_db"].get<double>(), 8.0);
}

TEST_F(Optimizations, NeitherSamplesNorDataFreeIsRefused) {
  const Outcome done = run({"quantize", sample("classifier.onnx").string(), "-o", (folder_ / "out").string()});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("--calib is missing"));
}

}  // namespace
}  // namespace qtool::cli_test
