// The page of quantize and the sensitivity analysis, as a user calls them.
#include <set>

#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

class Report : public ToolTest {
 protected:
  // The bundled detector with four images.
  [[nodiscard]] Outcome detector(const std::string& command, const Arguments& options) const {
    Arguments arguments = {command, sample("detector.onnx"), "--calib", sample("calib/detector"), "--preprocess", sample("detector.preprocess.json")};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments);
  }

  [[nodiscard]] Json document(const fs::path& page) const {
    const std::string text = read_text(page), open = "<script type=\"application/json\" id=\"document\">";
    const size_t first = text.find(open) + open.size();
    return Json::parse(text.substr(first, text.find("</script>", first) - first));
  }
};

TEST_F(Report, QuantizeWritesThePageAlone) {
  const Outcome outcome = detector("quantize", {"--limit", "4", "--html", "new/page.html"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("wrote new/page.html"));
  EXPECT_THAT(files_below(folder_), ElementsAre(Key("new/page.html")));
  const Json page = document(folder_ / "new/page.html");
  EXPECT_EQ(page["kind"], "quantize");
  EXPECT_EQ(page["images"].size(), 4u);
  EXPECT_EQ(page["images"][0]["views"][0]["name"], "FP32");
  EXPECT_GT(page["images"][0]["views"][0]["boxes"].size(), 0u);
  EXPECT_EQ(page["worst_layers"][0]["kind"], "range clash");  // boxes and scores in one output
  size_t histograms = 0;
  for (const Json& tensor : page["tensors"]) histograms += tensor.contains("histogram");
  EXPECT_GT(histograms, 20u);
}

TEST_F(Report, ThePageChangesNoOtherFileAndIsTheSameForAnyThreadCount) {
  ASSERT_EQ(detector("quantize", {"--limit", "4", "-o", "plain"}).exit_code, 0);
  ASSERT_EQ(detector("quantize", {"--limit", "4", "-o", "paged", "--html", "a.html", "--threads", "1"}).exit_code, 0);
  ASSERT_EQ(detector("quantize", {"--limit", "4", "-o", "paged2", "--html", "b.html", "--threads", "3"}).exit_code, 0);
  EXPECT_TRUE(same_files(files_below(folder_ / "plain"), files_below(folder_ / "paged")));
  EXPECT_EQ(read_text(folder_ / "a.html"), read_text(folder_ / "b.html"));
  EXPECT_THAT(read_text(folder_ / "a.html"), Not(HasSubstr(folder_.string())));
}

class CompareReport : public Report {
 protected:
  [[nodiscard]] Outcome compare(const std::string& model, const std::string& labels, const std::string& recipes, const fs::path& page,
                                const Arguments& options = {}) const {
    Arguments arguments = {"compare", sample(model + ".onnx"), "--calib", sample("calib/" + model), "--preprocess", sample(model + ".preprocess.json"),
                           "--calib-limit", "8", "--images", sample("eval/" + model + "/images"), "--labels", sample("eval/" + model + "/" + labels),
                           "--limit", "24", "--resamples", "50", "--recipes", recipes, "--html", page};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments);
  }
};

TEST_F(CompareReport, HasEveryRecipeInEveryPart) {
  write_text(folder_ / "names.txt", "apple\npear\nplum\n");
  const Outcome outcome = compare("classifier", "labels.txt", "vanilla,cle,cle+bc,recommended", "page.html", {"--max-drop", "100", "--class-names", "names.txt"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("wrote page.html"));
  const Json page = document(folder_ / "page.html");
  EXPECT_EQ(page["kind"], "compare");
  ASSERT_EQ(page["compare"]["rows"].size(), 5u);
  EXPECT_EQ(page["compare"]["rows"][0]["name"], "FP32");
  EXPECT_EQ(page["compare"]["rows"][3]["gain_over"], "cle");
  EXPECT_EQ(page["compare"]["rows"][3]["passes"], true);
  std::set<std::string> staged;
  for (const Json& stage : page["stages"]) staged.insert(stage["recipe"]);
  EXPECT_THAT(staged, ElementsAre("cle", "cle+bc", "recommended"));
  ASSERT_EQ(page["images"].size(), 6u);
  ASSERT_EQ(page["images"][0]["views"].size(), 5u);
  EXPECT_EQ(page["images"][0]["views"][4]["name"], "recommended");
  EXPECT_EQ(page["images"][0]["views"][0]["top"].size(), 5u);
  EXPECT_THAT(page["images"].dump(), HasSubstr("\"labelled "));
  EXPECT_EQ(page["classes"][1], "pear");
  EXPECT_EQ(page["run"]["recipes"].size(), 4u);
  size_t histograms = 0, by_recipe = 0;
  for (const Json& tensor : page["tensors"]) {
    histograms += tensor.contains("histogram");
    by_recipe += tensor.contains("by_recipe") && tensor["by_recipe"].contains("recommended");
  }
  EXPECT_GT(histograms, 20u);
  EXPECT_GT(by_recipe, 20u);
}

TEST_F(CompareReport, ShowsBoxesOfADetectorUnderTheNamesOfItsLabels) {
  ASSERT_EQ(compare("detector", "instances.json", "vanilla", "page.html").exit_code, 0);
  const Json page = document(folder_ / "page.html");
  const Json& views = page["images"][0]["views"];
  EXPECT_GT(views[0]["boxes"].size(), 0u);
  EXPECT_EQ(views[1]["boxes"].size(), 0u);  // dead scores
  EXPECT_THAT(page["images"][0]["note"].get<std::string>(), HasSubstr("labelled object"));
  EXPECT_GT(page["classes"].size(), 0u);
  EXPECT_EQ(page["worst_layers"][0]["recipes"], Json({"vanilla"}));
  EXPECT_THAT(page["warnings"][0].get<std::string>(), HasSubstr("vanilla: "));
}

TEST_F(CompareReport, DoesNotChangeTheResultAndIsTheSameForAnyThreadCount) {
  const auto without_times = [&](const fs::path& page) {
    Json json = document(folder_ / page);
    for (Json& row : json["compare"]["rows"]) row.erase("seconds"), row.erase("evaluate_seconds");
    for (Json& one : json["cards"]) {
      if (one["label"] == "Time") one.clear();
    }
    return json;
  };
  ASSERT_EQ(compare("classifier", "labels.txt", "vanilla,bc", "a.html", {"--threads", "1"}).exit_code, 0);
  ASSERT_EQ(compare("classifier", "labels.txt", "vanilla,bc", "b.html", {"--threads", "3"}).exit_code, 0);
  EXPECT_EQ(without_times("a.html"), without_times("b.html"));
}

TEST_F(CompareReport, APlaceThatCannotBeWrittenFailsBeforeTheWork) {
  write_text(folder_ / "file", "in the way");
  const Outcome outcome = compare("classifier", "labels.txt", "vanilla", "file/page.html");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("calibrate")));
}

TEST_F(Report, NothingToWriteIsAUsageError) {
  const Outcome outcome = detector("quantize", {});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("give --output FOLDER, --html FILE or both"));
}

TEST_F(Report, APageThatCannotBeWrittenLeavesNothingBehind) {
  write_text(folder_ / "file", "in the way");
  EXPECT_EQ(detector("quantize", {"--limit", "4", "-o", "out", "--html", "file/page.html"}).exit_code, 4);
  EXPECT_THAT(files_below(folder_), ElementsAre(Key("file")));
}

TEST_F(Report, AnalyzeNamesTheHeadInWordsAndTheOption) {
  const Outcome outcome = detector("analyze", {"--calib-limit", "8", "--probe-images", "2", "--html", "s.html"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("weights only"));
  EXPECT_THAT(outcome.out, HasSubstr("range clash: Joins"));
  EXPECT_THAT(outcome.out, HasSubstr("try --float"));
  EXPECT_THAT(outcome.err, HasSubstr("Boxes and scores that share one tensor cannot share 8 bits"));
  const Json page = document(folder_ / "s.html");
  EXPECT_EQ(page["kind"], "analyze");
  EXPECT_EQ(page["sensitivity"]["totals"].size(), 3u);
}

TEST_F(Report, AnalyzeGivesTheSameFiguresForAnyThreadCountAndTheMetricOnRequest) {
  const auto figures = [&](const char* threads) {
    const Outcome outcome = detector("analyze", {"--calib-limit", "8", "--probe-images", "3", "--float-layers", "3", "--metric-layers", "1", "--threads", threads, "--json",
                                                 "--images", sample("eval/detector/images"), "--labels", sample("eval/detector/instances.json"), "--limit", "16"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    Json json = Json::parse(outcome.out);
    json.erase("seconds");
    json.erase("peak_memory_mb");
    return json;
  };
  const Json one = figures("1");
  EXPECT_EQ(one, figures("3"));
  ASSERT_GT(one["layers"].size(), 10u);
  EXPECT_EQ(one["layers"][0]["kind"], "range clash");
  EXPECT_GT(one["layers"][0]["gain_in_float_db"], 10.0);
  EXPECT_TRUE(one["layers"][0].contains("metric_without"));
  EXPECT_FALSE(one["layers"][1].contains("metric_without"));
  EXPECT_EQ(one["metric"]["name"], "mAP");
  EXPECT_GT(one["metric"]["float"], one["parts"][2]["metric"]);
}

TEST_F(Report, AnalyzeWithLabelsButNoImagesIsAUsageError) {
  const Outcome outcome = detector("analyze", {"--labels", sample("eval/detector/instances.json")});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--images and --labels belong together"));
}

}  // namespace
}  // namespace qtool::cli_test
