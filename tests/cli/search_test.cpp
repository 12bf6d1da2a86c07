// --optimizations auto and what comes with it, and qtool advise, on the bundled models.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;

class Search : public ToolTest {
 protected:
  [[nodiscard]] Outcome search(const std::string& model, const std::string& out, Arguments options = {}) const {
    options.insert(options.begin(), {"--profile", "htp", "--optimizations", "auto", "--json"});
    return quantize(model, folder_ / out, options);
  }
  [[nodiscard]] static Json step(const Json& search, const std::string& name) {
    for (const Json& row : search["steps"]) {
      if (row["step"] == name) return row;
    }
    return {};
  }
  [[nodiscard]] Outcome advise(const std::string& model, Arguments options = {}) const {
    options.insert(options.begin(), {"advise", sample(model + ".onnx").string(), "--calib", sample("calib/" + model).string(), "--preprocess",
                                     sample(model + ".preprocess.json").string(), "--json"});
    return run(options);
  }
};

TEST_F(Search, RepairsADetectorAndTellsEveryStep) {
  const Outcome done = search("detector", "out");
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found = Json::parse(done.out)["search"];
  EXPECT_EQ(found["steps"][0]["step"], "plain");
  const Json head = step(found, "head");
  EXPECT_EQ(head["decision"], "kept");
  EXPECT_GT(head["score_db"].get<double>(), found["steps"][0]["score_db"].get<double>() + 5.0);
  EXPECT_GT(head["wide_activations"], 0);
  EXPECT_TRUE(head.contains("seconds"));
  const Json report = Json::parse(read_text(folder_ / "out" / "report.json"));
  EXPECT_EQ(report["search"]["verdict"], found["verdict"]);
  EXPECT_FALSE(report["search"]["steps"][0].contains("seconds"));
}

TEST_F(Search, StopsAtOnceWhenPlainQuantizationMeetsTheTarget) {
  const Outcome done = search("classifier", "out", {"--target-drop", "50"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found = Json::parse(done.out)["search"];
  EXPECT_EQ(found["steps"].size(), 1);
  EXPECT_TRUE(found["target_met"].get<bool>());
  EXPECT_THAT(found["verdict"].get<std::string>(), HasSubstr("nothing else was tried"));
}

TEST_F(Search, ATargetOutOfReachIsAWarningAndTheBestIsKept) {
  const Outcome done = search("classifier", "out", {"--target-drop", "0.00001", "--target-cost", "1"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found = Json::parse(done.out)["search"];
  EXPECT_FALSE(found["target_met"].get<bool>());
  EXPECT_THAT(done.err, HasSubstr("is not reached; the best is"));
  EXPECT_TRUE(fs::exists(folder_ / "out" / "classifier.dlc"));
  for (const Json& row : found["steps"]) {
    if (row["decision"] == "kept") {
      EXPECT_LE(row["relative_cost"].get<double>(), 1.0 + 1e-9) << row;
    }
  }
}

TEST_F(Search, LabelsDecideByTheMeasuredDrop) {
  const Outcome done = search("classifier", "out", {"--target-drop", "1.5", "--images", sample("eval/classifier/images").string(), "--labels",
                                                    sample("eval/classifier/labels.txt").string()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found = Json::parse(done.out)["search"];
  EXPECT_EQ(found["judged_by"], "metric");
  EXPECT_EQ(found["metric"], "top1");
  EXPECT_NEAR(found["float_metric"].get<double>(), 0.93, 0.001);
  EXPECT_TRUE(found["target_met"].get<bool>()) << found["verdict"];
}

TEST_F(Search, AStepThatLosesByTheLabelsIsRolledBackWhateverTheEstimateSays) {
  const Outcome done = quantize("classifier", folder_ / "out", {"--profile", "dsp", "--optimizations", "auto", "--json", "--target-drop", "0.01", "--images",
                                                                sample("eval/classifier/images").string(), "--labels", sample("eval/classifier/labels.txt").string()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json search = Json::parse(done.out)["search"], steps = search["steps"];
  EXPECT_TRUE(search["target_met"].get<bool>()) << search["verdict"];
  double drop = steps[0]["drop"];
  EXPECT_GT(drop, 10.0) << "per-tensor weights should have something to mend";
  for (const Json& step : steps) {
    if (step["decision"] == "kept") {
      EXPECT_LE(step["drop"].get<double>(), drop + 0.1 + 1e-9) << step;
      drop = step["drop"];
    } else if (step["decision"] == "rolled back" && step.value("drop", Json()).is_number()) {
      EXPECT_GT(step["drop"].get<double>(), drop + 0.1) << step;
      EXPECT_NE(step["reason"].get<std::string>().find("top1 goes from"), std::string::npos) << step;
    }
  }
}

TEST_F(Search, ABudgetThatCutsSkipsStepsAndSaysSo) {
  const Outcome done = search("detector", "out", {"--time-budget", "0.001s"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json found = Json::parse(done.out)["search"];
  EXPECT_TRUE(found["cut_by_budget"].get<bool>());
  EXPECT_EQ(step(found, "head")["decision"], "skipped");
  EXPECT_EQ(found["best"], "plain");
}

TEST_F(Search, TheRecipeAndTheOverridesGiveTheSameBytesAgain) {
  const Outcome done = search("detector", "found", {"--threads", "2"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Outcome again = search("detector", "threads", {"--threads", "1"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(same_files(files_below(folder_ / "found"), files_below(folder_ / "threads")));

  const std::string recipe = (folder_ / "found" / "detector.recipe.json").string();
  ASSERT_EQ(quantize("detector", folder_ / "recipe", {"--recipe", recipe}).exit_code, 0);
  const std::string dlc = read_text(folder_ / "found" / "detector.dlc"), encodings = read_text(folder_ / "found" / "detector.encodings.json");
  EXPECT_TRUE(read_text(folder_ / "recipe" / "detector.dlc") == dlc);
  EXPECT_TRUE(read_text(folder_ / "recipe" / "detector.encodings.json") == encodings);

  // Where stages changed weights the overrides belong to the adapted model.
  const fs::path adapted = folder_ / "found" / "detector.adapted.onnx";
  Arguments words = {"quantize", (fs::exists(adapted) ? adapted : fs::path(sample("detector.onnx"))).string(), "--calib", sample("calib/detector").string(),
                     "--preprocess", sample("detector.preprocess.json").string(), "--profile", "htp", "--bias_bitwidth", "32",
                     "--quantization_overrides", (folder_ / "found" / "detector.overrides.json").string(), "-o", (folder_ / "overrides").string()};
  const Outcome overridden = run(words);
  ASSERT_EQ(overridden.exit_code, 0) << overridden.err;
  const std::string stem = fs::exists(adapted) ? "detector.adapted" : "detector";
  EXPECT_TRUE(read_text(folder_ / "overrides" / (stem + ".encodings.json")) == encodings);
}

TEST_F(Search, SelectiveAloneWritesThemToo) {
  ASSERT_EQ(quantize("detector", folder_ / "a", {"--profile", "htp", "--optimizations", "selective"}).exit_code, 0);
  const std::string recipe = (folder_ / "a" / "detector.recipe.json").string();
  ASSERT_EQ(quantize("detector", folder_ / "b", {"--recipe", recipe}).exit_code, 0);
  EXPECT_TRUE(read_text(folder_ / "a" / "detector.dlc") == read_text(folder_ / "b" / "detector.dlc"));
  Arguments words = {"--profile", "htp", "--quantization_overrides", (folder_ / "a" / "detector.overrides.json").string()};
  ASSERT_EQ(quantize("detector", folder_ / "c", words).exit_code, 0);
  EXPECT_TRUE(read_text(folder_ / "a" / "detector.dlc") == read_text(folder_ / "c" / "detector.dlc"));
}

TEST_F(Search, CostModelsAreData) {
  write_text(folder_ / "cost.json", R"({"schema": 1, "name": "even", "cost": {"mac_16x8": 1, "byte": 0, "convert_byte": 0}})");
  const auto cost = [&](const std::string& out, const Arguments& options) {
    const Outcome done = search("detector", out, options);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return step(Json::parse(done.out)["search"], "head")["relative_cost"].get<double>();
  };
  EXPECT_GT(cost("a", {}), cost("b", {"--cost-model", "cost.json"}));

  write_text(folder_ / "bad.json", R"({"schema": 1, "cost": {"mac_16x9": 1}})");
  const Outcome bad = search("detector", "c", {"--cost-model", "bad.json"});
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_THAT(bad.err, HasSubstr("did you mean 'mac_16x8'"));
  EXPECT_THAT(bad.err, HasSubstr("bad.json"));
}

TEST_F(Search, BadValuesAreRefusedBeforeAnyWork) {
  const auto refused = [&](const Arguments& options, const char* reason) {
    const Outcome done = quantize("classifier", folder_ / "out", options);
    EXPECT_EQ(done.exit_code, 2) << reason;
    EXPECT_THAT(done.err, HasSubstr(reason));
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  };
  refused({"--optimizations", "auto", "--time-budget", "5x"}, "--time-budget 5x: give a time above 0 such as 300s, 5m or 1h30m");
  refused({"--optimizations", "auto", "--time-budget", "0s"}, "give a time above 0");
  refused({"--optimizations", "auto", "--target-drop", "0"}, "--target-drop 0: points of the metric");
  refused({"--optimizations", "auto", "--target-cost", "0.5"}, "--target-cost 0.5: at least 1");
  refused({"--optimizations", "auto", "--images", "here"}, "--images and --labels belong together");
  refused({"--optimizations", "auto,cle"}, "give it alone");
  refused({"--target-drop", "1"}, "--target-drop goes with --optimizations auto");
  refused({"--optimizations", "cle", "--target-cost", "1.1"}, "auto or selective");
  refused({"--wide-activations", "no_such_tensor"}, "has no activation 'no_such_tensor'");
}

TEST_F(Search, AdviceNamesTheFirstPrecisionThatFailsAndWhy) {
  const Outcome done = advise("detector", {"--profile", "htp"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json advice = Json::parse(done.out);
  EXPECT_EQ(advice["steps"].size(), 5);
  EXPECT_EQ(advice["first_failing"], "W8A8");
  EXPECT_TRUE(advice["detector"].get<bool>());
  EXPECT_THAT(advice["causes"][0].get<std::string>(), HasSubstr("on one 8-bit grid"));
  EXPECT_GT(advice["remedy"]["score_db"].get<double>(), advice["steps"][3]["score_db"].get<double>());
  EXPECT_THAT(advice["commands"].dump(), HasSubstr("--optimizations auto"));
}

TEST_F(Search, AdviceMeasuresWhereThereAreLabels) {
  const Outcome done = advise("classifier", {"--profile", "htp", "--images", sample("eval/classifier/images").string(), "--labels",
                                             sample("eval/classifier/labels.txt").string(), "--threshold", "2"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json advice = Json::parse(done.out);
  EXPECT_NEAR(advice["steps"][0]["drop"].get<double>(), 0.0, 0.51);  // FP16
  EXPECT_TRUE(advice["steps"][3]["passes"].get<bool>());             // W8A8 with htp loses 0.5
  EXPECT_GT(advice["steps"][3]["agreement"].get<double>(), 0.8);
}

TEST_F(Search, AdviceRefusesWhatItDecidesItself) {
  const Outcome done = advise("classifier", {"--act_bitwidth", "16"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("advise walks through them itself"));
}

}  // namespace
}  // namespace qtool::cli_test
