// Statistics by shards, and quantization from them.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;

class Calibrate : public ToolTest {
 protected:
  Outcome calibrate(const std::string& file, const Arguments& options = {}) const {
    Arguments arguments = {"calibrate", sample("detector.onnx"), "--calib", sample("calib/detector"), "--preprocess",
                           sample("detector.preprocess.json"), "--limit", "9", "--stats-out", folder_ / file};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments);
  }
};

TEST_F(Calibrate, ShardsMergeToTheBytesOfOneRunAndStandInForImages) {
  ASSERT_EQ(calibrate("whole", {"--threads", "1"}).exit_code, 0);
  for (const char* shard : {"1", "2", "3"}) {
    ASSERT_EQ(calibrate(std::string("s") + shard, {"--shard", std::string(shard) + "/3", "--threads", "2"}).exit_code, 0);
  }
  ASSERT_EQ(run({"merge-stats", folder_ / "s3", folder_ / "s1", folder_ / "s2", "-o", folder_ / "merged"}).exit_code, 0);
  EXPECT_TRUE(read_text(folder_ / "whole") == read_text(folder_ / "merged"));
  ASSERT_EQ(run({"quantize", sample("detector.onnx"), "--stats", folder_ / "merged", "--profile", "htp", "--act_quantizer_calibration", "mse", "-o",
                 folder_ / "a"}).exit_code, 0);
  ASSERT_EQ(quantize("detector", folder_ / "b", {"--limit", "9", "--profile", "htp", "--act_quantizer_calibration", "mse"}).exit_code, 0);
  EXPECT_TRUE(read_text(folder_ / "a/detector.encodings.json") == read_text(folder_ / "b/detector.encodings.json"));
  EXPECT_TRUE(read_text(folder_ / "a/detector.dlc") == read_text(folder_ / "b/detector.dlc"));
}

TEST_F(Calibrate, WhatDoesNotBelongTogetherIsRefused) {
  ASSERT_EQ(calibrate("s1", {"--shard", "1/2"}).exit_code, 0);
  const Outcome missing = run({"merge-stats", folder_ / "s1", "-o", folder_ / "m"});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("a shard is missing"));
  const Outcome part = run({"quantize", sample("detector.onnx"), "--stats", folder_ / "s1", "-o", folder_ / "out"});
  EXPECT_EQ(part.exit_code, 3);
  EXPECT_THAT(part.err, HasSubstr("merge-stats"));
  const Outcome other = run({"quantize", sample("classifier.onnx"), "--stats", folder_ / "s1", "-o", folder_ / "out"});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, HasSubstr("another model"));
  EXPECT_EQ(calibrate("x", {"--shard", "3/2"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Calibrate, ComparisonTabulatesEveryMethodAndChangesNoEncoding) {
  ASSERT_EQ(quantize("classifier", folder_ / "a", {"--act_quantizer_calibration", "mse"}).exit_code, 0);
  const Outcome compared = quantize("classifier", folder_ / "b", {"--act_quantizer_calibration", "mse", "--compare-calibration"});
  ASSERT_EQ(compared.exit_code, 0) << compared.err;
  for (const char* method : {"min-max", "sqnr", "mse", "entropy", "percentile 99.99"}) EXPECT_THAT(compared.out, HasSubstr(method));
  EXPECT_TRUE(read_text(folder_ / "a/classifier.encodings.json") == read_text(folder_ / "b/classifier.encodings.json"));
  const Json report = Json::parse(read_text(folder_ / "b/report.json"));
  EXPECT_EQ(report["calibration"]["comparison"]["methods"].size(), 7u);
}

TEST_F(Calibrate, OlderSpellingsOfQualcommChooseMethods) {
  const auto options_of = [&](const Arguments& options) {
    EXPECT_EQ(quantize("classifier", folder_ / "o", options).exit_code, 0);
    return Json::parse(read_text(folder_ / "o/report.json"))["options"];
  };
  const Json both = options_of({"--use_enhanced_quantizer"});
  EXPECT_EQ(both["act_quantizer_calibration"], "sqnr");
  EXPECT_EQ(both["param_quantizer_calibration"], "sqnr");
  const Json weights = options_of({"--use_enhanced_quantizer", "weights"});
  EXPECT_EQ(weights["act_quantizer_calibration"], "min-max");
  EXPECT_EQ(weights["param_quantizer_calibration"], "sqnr");
  EXPECT_EQ(options_of({"--use_adjusted_weights_quantizer"})["param_quantizer_calibration"], "adjusted");
  EXPECT_EQ(options_of({"--param_quantizer", "symmetric"})["param_quantizer_schema"], "symmetric");
  EXPECT_EQ(quantize("classifier", folder_ / "x", {"--use_adjusted_weights_quantizer", "--param_quantizer", "mse"}).exit_code, 2);
}

}  // namespace
}  // namespace qtool::cli_test
