// qtool compare and qtool recipe, as a release pipeline uses them.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;

class Compare : public ToolTest {
 protected:
  Outcome compare(const std::string& model, const std::string& labels, const std::string& recipes, const Arguments& options = {}) const {
    Arguments words = {"compare", sample(model + ".onnx"), "--calib", sample("calib/" + model), "--preprocess",
                       sample(model + ".preprocess.json"), "--images", sample("eval/" + model + "/images"), "--labels",
                       sample("eval/" + model + "/" + labels), "--recipes", recipes, "--resamples", "50"};
    words.insert(words.end(), options.begin(), options.end());
    return run(words);
  }
  Outcome classifier(const std::string& recipes, const Arguments& options = {}) const {
    return compare("classifier", "labels.txt", recipes, options);
  }
  static Json parsed(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Json::parse(outcome.out);
  }
};

TEST_F(Compare, MeasuresRecipesBesideFp32) {
  const Json json = parsed(classifier("vanilla,bc,recommended", {"--json"}));
  ASSERT_EQ(json["recipes"].size(), 3u);
  const double fp32 = json["fp32"]["metrics"]["top1"];
  for (const Json& row : json["recipes"]) {
    EXPECT_NEAR(row["drop"].get<double>(), fp32 - row["metrics"]["top1"].get<double>(), 1e-9);
    EXPECT_LE(row["drop_interval_95"][0].get<double>(), row["drop"].get<double>() + 1e-9);
    EXPECT_GE(row["drop_interval_95"][1].get<double>(), row["drop"].get<double>() - 1e-9);
    EXPECT_GT(row["outputs"]["output"]["sqnr_db"].get<double>(), 0.0);
    EXPECT_GT(row["dlc_bytes"].get<int64_t>(), 1000);
  }
  EXPECT_EQ(json["recipes"][1]["gain"]["over"], "vanilla");
  EXPECT_EQ(json["recipes"][1]["resolved"]["options"]["bias_bitwidth"], 32);
  EXPECT_FALSE(json["recipes"][0].contains("gain"));
}

TEST_F(Compare, AgreesWithEvaluateOfTheWrittenFiles) {
  const Json row = parsed(classifier("vanilla", {"--json"}))["recipes"][0];
  ASSERT_EQ(quantize("classifier", folder_ / "out").exit_code, 0);
  const Outcome evaluated = run({"evaluate", sample("classifier.onnx"), "--encodings", folder_ / "out/classifier.encodings.json", "--images",
                                 sample("eval/classifier/images"), "--labels", sample("eval/classifier/labels.txt"), "--preprocess",
                                 sample("classifier.preprocess.json"), "--json"});
  EXPECT_EQ(parsed(evaluated)["metrics"]["top1"], row["metrics"]["top1"]);
}

TEST_F(Compare, MeasuresBoxesAndScoresApart) {
  const Json json = parsed(compare("detector", "instances.json", "vanilla", {"--json"}));
  const Json& row = json["recipes"][0];
  EXPECT_EQ(row["metrics"]["mAP"], 0.0);
  EXPECT_GT(row["outputs"]["output0[large rows]"]["sqnr_db"].get<double>(), 20.0);
  EXPECT_LT(row["outputs"]["output0[small rows]"]["sqnr_db"].get<double>(), 3.0);
  EXPECT_THAT(row["warnings"].dump(), HasSubstr("output0"));
}

TEST_F(Compare, DoesNotDependOnTheThreadCount) {
  const auto without_times = [](Json json) {
    json.erase("seconds");
    json["fp32"].erase("evaluate_seconds");
    for (Json& row : json["recipes"]) row.erase("quantize_seconds"), row.erase("evaluate_seconds");
    return json;
  };
  EXPECT_EQ(without_times(parsed(classifier("vanilla,bc", {"--json", "--threads", "1"}))),
            without_times(parsed(classifier("vanilla,bc", {"--json", "--threads", "3"}))));
}

TEST_F(Compare, GateSaysWhyItFails) {
  const Outcome failed = compare("detector", "instances.json", "vanilla", {"--max-drop", "0.5"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("gate failed: the best recipe, vanilla loses"));
  EXPECT_THAT(failed.err, HasSubstr("points of mAP; allowed are 0.50"));
  EXPECT_EQ(classifier("vanilla,recommended", {"--max-drop", "20"}).exit_code, 0);
  EXPECT_EQ(classifier("vanilla,recommended", {"--max-drop", "-100", "--gate", "recommended"}).exit_code, 1);
}

TEST_F(Compare, BadDataIsNotAFailedGate) {
  const auto with = [&](const fs::path& images, const fs::path& labels) {
    return run({"compare", sample("classifier.onnx"), "--calib", sample("calib/classifier"), "--preprocess", sample("classifier.preprocess.json"),
                "--images", images, "--labels", labels, "--recipes", "vanilla", "--max-drop", "1"});
  };
  fs::create_directories(folder_ / "empty");
  write_text(folder_ / "bad.txt", "001.jpg cat\n");
  write_text(folder_ / "others.txt", "nowhere.jpg 1\n");
  const Outcome empty = with(folder_ / "empty", sample("eval/classifier/labels.txt"));
  EXPECT_EQ(empty.exit_code, 3) << empty.err;
  const Outcome bad = with(sample("eval/classifier/images"), folder_ / "bad.txt");
  EXPECT_EQ(bad.exit_code, 3) << bad.err;
  EXPECT_THAT(bad.err, HasSubstr("'cat' is not a class number"));
  const Outcome others = with(sample("eval/classifier/images"), folder_ / "others.txt");
  EXPECT_EQ(others.exit_code, 3) << others.err;
  EXPECT_THAT(others.err, HasSubstr("nowhere.jpg"));
}

TEST_F(Compare, UnknownRecipesAreUsageErrors) {
  const Outcome outcome = classifier("vanila");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean 'vanilla'?"));
  EXPECT_EQ(classifier("vanilla", {"--max-drop", "1", "--gate", "other"}).exit_code, 2);
}

TEST_F(Compare, RecipeFilesGiveWhatTheirPresetGives) {
  const Outcome shown = run({"recipe", "show", "snpe-enhanced"});
  ASSERT_EQ(shown.exit_code, 0);
  write_text(folder_ / "my.json", shown.out);
  EXPECT_EQ(run({"recipe", "validate", "my.json"}).exit_code, 0);
  const Json json = parsed(classifier("snpe-enhanced,my.json", {"--json"}));
  EXPECT_EQ(json["recipes"][0]["outputs"], json["recipes"][1]["outputs"]);
}

TEST_F(Compare, RecipesAreCheckedBeforeTheyAreUsed) {
  write_text(folder_ / "typo.json", R"({"schema": 1, "options": {"bias_bitwith": 32}})");
  write_text(folder_ / "type.json", R"({"schema": 1, "options": {"bias_bitwidth": "32"}})");
  write_text(folder_ / "value.json", R"({"schema": 1, "options": {"bias_bitwidth": 7}})");
  write_text(folder_ / "child.json", R"({"schema": 1, "extends": "value.json", "options": {"bias_bitwidth": 32}})");
  EXPECT_THAT(run({"recipe", "validate", "typo.json"}).err, HasSubstr("did you mean 'bias_bitwidth'?"));
  EXPECT_THAT(run({"recipe", "validate", "type.json"}).err, HasSubstr("expected an integer"));
  EXPECT_EQ(run({"recipe", "validate", "value.json"}).exit_code, 2);
  EXPECT_EQ(run({"recipe", "validate", "child.json"}).exit_code, 0);
}

TEST_F(Compare, OptionsBesideARecipeAreStronger) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--recipe", "aimet", "--profile", "dsp"}).exit_code, 0);
  const Json report = Json::parse(read_text(folder_ / "out/report.json"));
  EXPECT_EQ(report["recipe"]["options"]["profile"], "dsp");
  EXPECT_EQ(report["recipe"]["options"]["act_quantizer_calibration"], "sqnr");
}

TEST_F(Compare, AReportsRecipeRunsAgainToTheSameBytes) {
  const std::vector<Arguments> runs = {
      {"--recipe", "recommended"},
      {"--profile", "htp", "--act16", "Gemm", "--w8", "Gemm", "--param_quantizer_schema", "strictsymmetric", "--min-range", "qairt", "--no-bias-overflow-guard"},
      {"--profile", "htp", "--act8", "Conv", "--act16", "Gemm", "--float", "GlobalAveragePool", "--act8", "Gemm"},  // an order that lists cannot hold
      {"--profile", "htp", "--w4", "Conv", "--weight_block_size", "16", "--lpbq", "--encodings-version", "1.0.0"},
  };
  for (size_t i = 0; i < runs.size(); ++i) {
    const fs::path a = folder_ / ("a" + std::to_string(i)), b = folder_ / ("b" + std::to_string(i));
    const Outcome first = quantize("classifier", a, runs[i]);
    ASSERT_EQ(first.exit_code, 0) << first.err;
    write_text(folder_ / "again.json", Json::parse(read_text(a / "report.json"))["recipe"].dump());
    Arguments again = {"--recipe", "again.json"};
    if (i == 3) again.insert(again.end(), {"--encodings-version", "1.0.0"});  // of the output, not of the recipe
    ASSERT_EQ(quantize("classifier", b, again).exit_code, 0);
    EXPECT_TRUE(same_files(files_below(a), files_below(b))) << "run " << i;
  }
}

TEST_F(Compare, PrecisionOfTheCommandLineIsStrongerThanThatOfARecipe) {
  write_text(folder_ / "wide.json", R"({"schema": 1, "options": {"profile": "htp", "act16": ["Gemm"], "act_quantizer_calibration": "tf_enhanced"}})");
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--recipe", "wide.json", "--act8", "Gemm"}).exit_code, 0);
  ASSERT_EQ(quantize("classifier", folder_ / "narrow", {"--profile", "htp", "--act_quantizer_calibration", "sqnr"}).exit_code, 0);
  EXPECT_EQ(read_text(folder_ / "out/classifier.encodings.json"), read_text(folder_ / "narrow/classifier.encodings.json"));
}

TEST_F(Compare, EncodingsOfARecipeLieBesideIt) {
  ASSERT_EQ(quantize("classifier", folder_ / "given").exit_code, 0);
  write_text(folder_ / "given/my.json", R"({"schema": 1, "options": {"quantization_overrides": "classifier.encodings.json"}})");
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--recipe", "given/my.json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("tensors from file 'classifier.encodings.json'"));
  EXPECT_THAT(read_text(folder_ / "out/report.json"), ::testing::Not(HasSubstr(folder_.string())));
}

TEST_F(Compare, BadPrecisionRulesAndSchemasAreNamed) {
  write_text(folder_ / "rule.json", R"({"schema": 1, "options": {"precision": ["act12 Gemm"]}})");
  write_text(folder_ / "schema.json", R"({"schema": 1, "options": {"act_quantizer_schema": "assymetric"}})");
  write_text(folder_ / "list.json", R"({"schema": 1, "options": {"act16": "Gemm"}})");
  write_text(folder_ / "method.json", R"({"schema": 1, "options": {"act_quantizer_calibration": "entropi"}})");
  EXPECT_THAT(run({"recipe", "validate", "rule.json"}).err, HasSubstr("'act12' is none of"));
  EXPECT_THAT(run({"recipe", "validate", "schema.json"}).err, HasSubstr("did you mean 'asymmetric'?"));
  EXPECT_THAT(run({"recipe", "validate", "list.json"}).err, HasSubstr("expected a list of strings"));
  EXPECT_THAT(run({"recipe", "validate", "method.json"}).err, HasSubstr("did you mean 'entropy'?"));
}

TEST_F(Compare, ARecipeNamedTwiceIsAUsageError) { EXPECT_EQ(classifier("vanilla,vanilla").exit_code, 2); }

}  // namespace
}  // namespace qtool::cli_test
