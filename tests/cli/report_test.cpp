// The page of quantize and the sensitivity analysis, as a user calls them.
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
