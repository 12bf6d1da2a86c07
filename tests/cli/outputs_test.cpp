// What a successful run writes and says.
#include <algorithm>
#include <sstream>

#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

class Outputs : public ToolTest {};

TEST_F(Outputs, AreThreeFilesNamedAfterTheModel) {
  const Outcome outcome = quantize("classifier", folder_ / "new/deep");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(files_below(folder_), ElementsAre(Key("new/deep/classifier.dlc"), Key("new/deep/classifier.encodings.json"), Key("new/deep/report.json")));
  EXPECT_THAT(outcome.out, HasSubstr("calibrated on 64 samples"));
  EXPECT_THAT(outcome.err, HasSubstr("preprocessing: shorter side to 72"));
  EXPECT_THAT(outcome.err, HasSubstr("recommended (--profile htp --bias_bitwidth 32) would change"));
}

TEST_F(Outputs, AreTheSameBytesAgainAndForAnyThreadCount) {
  for (const char* model : {"classifier", "detector"}) {
    ASSERT_EQ(quantize(model, folder_ / "a", {"--threads", "1"}).exit_code, 0);
    ASSERT_EQ(quantize(model, folder_ / "b", {"--threads", "2"}).exit_code, 0);
    ASSERT_EQ(quantize(model, folder_ / "c", {"--threads", "3", "--profile", "htp"}).exit_code, 0);
    ASSERT_EQ(quantize(model, folder_ / "d", {"--threads", "1", "--profile", "htp"}).exit_code, 0);
  }
  EXPECT_TRUE(same_files(files_below(folder_ / "a"), files_below(folder_ / "b")));
  EXPECT_TRUE(same_files(files_below(folder_ / "c"), files_below(folder_ / "d")));
}

TEST_F(Outputs, DoNotDependOnTheOrderInWhichImagesWereCreatedNorOnTheirFolder) {
  std::vector<fs::path> images;
  for (const auto& entry : fs::directory_iterator(sample("calib/classifier"))) images.push_back(entry.path());
  std::sort(images.begin(), images.end());
  const auto quantize_copies = [&](const char* name) {
    const fs::path copies = folder_ / name / "images";
    fs::create_directories(copies);
    for (const fs::path& image : images) fs::copy_file(image, copies / image.filename());
    return run({"quantize", sample("classifier.onnx"), "--calib", copies, "-o", folder_ / name / "out"}).exit_code;
  };
  ASSERT_EQ(quantize_copies("forwards"), 0);
  std::reverse(images.begin(), images.end());
  ASSERT_EQ(quantize_copies("backwards"), 0);
  EXPECT_TRUE(same_files(files_below(folder_ / "forwards/out"), files_below(folder_ / "backwards/out")));
}

TEST_F(Outputs, HoldNoPathOfThisMachine) {
  ASSERT_EQ(quantize("detector", folder_ / "out", {"--limit", "4"}).exit_code, 0);
  ASSERT_EQ(run({"convert", sample("detector.onnx"), "-o", folder_ / "out/float.dlc"}).exit_code, 0);
  const auto files = files_below(folder_ / "out");
  EXPECT_EQ(files.size(), 4u);
  for (const auto& [name, content] : files) {
    for (const std::string& path : {folder_.string(), std::string(QTOOL_SOURCE_DIR), fs::current_path().string(), std::string("data/sample")}) {
      EXPECT_EQ(content.find(path), std::string::npos) << name << " contains " << path;
    }
  }
}

TEST_F(Outputs, AreOnlyThoseAskedFor) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--emit", "encodings"}).exit_code, 0);
  EXPECT_THAT(files_below(folder_ / "out"), ElementsAre(Key("classifier.encodings.json"), Key("report.json")));
}

TEST_F(Outputs, QuietPrintsNothing) {
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--quiet"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST_F(Outputs, JsonSummaryIsAloneOnStdout) {
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--json"});
  ASSERT_EQ(outcome.exit_code, 0);
  const Json summary = Json::parse(outcome.out);
  EXPECT_EQ(summary.at("samples"), 64);
  EXPECT_EQ(summary.at("files").size(), 3u);
  EXPECT_GT(summary.at("seconds").at("total"), 0.0);
}

TEST_F(Outputs, LogJsonIsOneObjectALine) {
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--log-json", "--verbose"});
  ASSERT_EQ(outcome.exit_code, 0);
  std::istringstream lines(outcome.err);
  std::string line;
  int count = 0;
  bool progress = false;
  while (std::getline(lines, line)) {
    const Json object = Json::parse(line);
    EXPECT_TRUE(object.at("level").is_string());
    progress |= object.at("level") == "progress";
    ++count;
  }
  EXPECT_GT(count, 5);
  EXPECT_TRUE(progress);
}

TEST_F(Outputs, ReportRepeatsOptionsHashesAndRanges) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--profile", "htp", "--bias_bitwidth", "32"}).exit_code, 0);
  const Json report = Json::parse(read_text(folder_ / "out/report.json"));
  EXPECT_EQ(report.at("schema_version"), 1);
  EXPECT_EQ(report.at("model").at("file"), "classifier.onnx");
  EXPECT_EQ(report.at("model").at("sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(report.at("calibration").at("samples"), 64);
  EXPECT_EQ(report.at("calibration").at("preprocessing").at("crop"), "64x64");
  EXPECT_EQ(report.at("options").at("profile"), "htp");
  EXPECT_EQ(report.at("options").at("bias_bitwidth"), 32);
  EXPECT_GT(report.at("weights_sqnr_db"), 40.0);
  for (const char* name : {"classifier.encodings.json", "classifier.dlc"}) {
    EXPECT_EQ(report.at("files").at(name).at("size_bytes"), fs::file_size(folder_ / "out" / name));
  }
  for (const auto& [name, tensor] : report.at("tensors").at("activations").items()) {
    EXPECT_TRUE(tensor.contains("scale") && tensor.contains("bitwidth")) << name;
  }
}

TEST_F(Outputs, TimingsGoToAFileOfTheirOwn) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--timings", folder_ / "times.json"}).exit_code, 0);
  EXPECT_TRUE(Json::parse(read_text(folder_ / "times.json")).at("seconds").contains("calibrate"));
}

TEST_F(Outputs, VanillaDetectorIsWarnedAbout) {
  const Outcome outcome = quantize("detector", folder_ / "out", {"--limit", "4", "--quiet"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("output 'output0': 5 of 9 rows"));
}

TEST_F(Outputs, ConvertWritesTheFloatContainerInBothWidths) {
  ASSERT_EQ(run({"convert", sample("classifier.onnx"), "-o", "f32.dlc"}).exit_code, 0);
  const Outcome half = run({"convert", sample("classifier.onnx"), "-o", "f16.dlc", "--fp16", "--json"});
  ASSERT_EQ(half.exit_code, 0) << half.err;
  EXPECT_EQ(Json::parse(half.out).at("size_bytes"), fs::file_size(folder_ / "f16.dlc"));
  EXPECT_LT(fs::file_size(folder_ / "f16.dlc"), 0.7 * static_cast<double>(fs::file_size(folder_ / "f32.dlc")));
}

TEST_F(Outputs, AQuantizedModelIsRunInspectedAndConverted) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--limit", "4", "--profile", "htp", "--emit", "encodings,dlc,qdq"}).exit_code, 0);
  const Json inspected = Json::parse(run({"inspect", "out/classifier.qdq.onnx", "--json"}).out);
  EXPECT_THAT(inspected.at("quantized").get<std::string>(), HasSubstr("QDQ"));
  EXPECT_GT(inspected.at("activation_encodings").at("tensors"), 10);
  for (const char* name : {"again.dlc", "again.json", "again.onnx"}) {
    const Outcome outcome = run({"convert", "out/classifier.qdq.onnx", "-o", name, "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_GT(Json::parse(outcome.out).at("encodings"), 10);
  }
  EXPECT_EQ(run({"inspect", "again.onnx"}).exit_code, 0);
  const Outcome refused = run({"quantize", "out/classifier.qdq.onnx", "--calib", sample("calib/classifier"), "-o", "out2"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("quantized already: QDQ"));
  EXPECT_EQ(run({"convert", sample("classifier.onnx"), "-o", "x.json"}).exit_code, 2) << "a float model has no encodings";
  EXPECT_EQ(run({"convert", sample("classifier.onnx"), "-o", "x.tflite"}).exit_code, 2);
}

class Inspect : public ToolTest {};

TEST_F(Inspect, ReadsModelEncodingsAndContainer) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--limit", "4", "--profile", "htp"}).exit_code, 0);
  const Json model = Json::parse(run({"inspect", sample("classifier.onnx"), "--json"}).out);
  EXPECT_EQ(model.at("kind"), "onnx");
  EXPECT_EQ(model.at("inputs").at(0).at("name"), "input");
  const Json encodings = Json::parse(run({"inspect", "out/classifier.encodings.json", "--json"}).out);
  EXPECT_EQ(encodings.at("kind"), "encodings");
  EXPECT_EQ(encodings.at("version"), "0.6.1");
  EXPECT_GT(encodings.at("param_encodings").at("per_channel"), 20);
  const Json container = Json::parse(run({"inspect", "out/classifier.dlc", "--json", "--layers"}).out);
  EXPECT_EQ(container.at("kind"), "dlc");
  EXPECT_EQ(container.at("version"), "4.0");
  const Json& graph = container.at("graphs").at(0);
  EXPECT_EQ(graph.at("layers").size(), graph.at("ops"));
  EXPECT_GT(graph.at("tensors_with_encodings"), 50);
}

TEST_F(Inspect, TextNamesLayersWhenAsked) {
  const Outcome brief = run({"inspect", sample("classifier.onnx")});
  const Outcome full = run({"inspect", sample("classifier.onnx"), "--layers"});
  EXPECT_EQ(brief.exit_code, 0);
  EXPECT_THAT(brief.out, HasSubstr("Conv"));
  EXPECT_GT(full.out.size(), 4 * brief.out.size());
}

}  // namespace
}  // namespace qtool::cli_test
