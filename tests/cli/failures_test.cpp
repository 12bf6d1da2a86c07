// Bad models, bad data and bad folders: the exit code, the name in the message, and nothing left behind.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Failures : public ToolTest {
 protected:
  // A copy of the first calibration images that a test may spoil.
  fs::path some_images(int count) const {
    const fs::path images = folder_ / "images";
    fs::create_directories(images);
    for (int i = 0; i < count; ++i) {
      char name[16];
      std::snprintf(name, sizeof name, "%03d.jpg", i);
      fs::copy_file(sample("calib/classifier") / name, images / name);
    }
    return images;
  }
  Outcome quantize_images(const fs::path& images, const Arguments& options = {}) const {
    Arguments words = {"quantize", sample("classifier.onnx"), "--calib", images, "-o", folder_ / "out"};
    words.insert(words.end(), options.begin(), options.end());
    return run(words);
  }
};

TEST_F(Failures, AMissingModelIsAFileSystemError) {
  const Outcome outcome = run({"quantize", "nowhere.onnx", "--calib", sample("calib/classifier"), "-o", "out"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("nowhere.onnx"));
  EXPECT_THAT(files_below(folder_), IsEmpty());
}

TEST_F(Failures, ACorruptModelIsNamed) {
  for (const std::string& content : {std::string("this is no model"), std::string(), read_text(sample("classifier.onnx")).substr(0, 40000)}) {
    write_text(folder_ / "bad.onnx", content);
    for (const char* command : {"quantize", "convert", "run"}) {
      Arguments words = {command, "bad.onnx"};
      const Arguments rest = std::string(command) == "quantize" ? Arguments{"--calib", sample("calib/classifier"), "-o", "out"}
                             : std::string(command) == "convert" ? Arguments{"-o", "out/m.dlc"}
                                                                 : Arguments{"--inputs", "x.npz", "--outputs", "out/y.npz"};
      words.insert(words.end(), rest.begin(), rest.end());
      const Outcome outcome = run(words);
      EXPECT_EQ(outcome.exit_code, 3) << command << ": " << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr("bad.onnx")) << command;
      EXPECT_FALSE(fs::exists(folder_ / "out"));
    }
  }
}

TEST_F(Failures, ACorruptImageIsNamed) {
  const fs::path images = some_images(6);
  write_text(images / "003.jpg", read_text(images / "003.jpg").substr(0, 300));
  const Outcome outcome = quantize_images(images);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("003.jpg"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Failures, CorruptImagesCanBeSkippedAndAreCounted) {
  const fs::path images = some_images(6);
  write_text(images / "003.jpg", "no picture");
  const Outcome outcome = quantize_images(images, {"--skip-bad-images", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1 unreadable image skipped"));
  const Json summary = Json::parse(outcome.out);
  EXPECT_EQ(summary.at("samples"), 5);
  EXPECT_THAT(summary.at("skipped").at(0).get<std::string>(), HasSubstr("003.jpg"));
}

TEST_F(Failures, AnImageThatAListNamesMustBeThere) {
  write_text(folder_ / "list.txt", sample("calib/classifier/000.jpg").string() + "\nnowhere/gone.jpg\n");
  const Outcome outcome = quantize_images("list.txt");
  EXPECT_TRUE(outcome.exit_code == 3 || outcome.exit_code == 4) << outcome.exit_code;
  EXPECT_THAT(outcome.err, HasSubstr("gone.jpg"));
}

TEST_F(Failures, AnEmptyImageFolderIsRefused) {
  fs::create_directories(folder_ / "images");
  const Outcome outcome = quantize_images("images");
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("images"));
}

class Labels : public Failures {
 protected:
  // The label list of the sample with one text replaced.
  Outcome evaluate_with(const std::string& text, const std::string& replacement) const {
    std::string labels = read_text(sample("eval/classifier/labels.txt"));
    const size_t at = labels.find(text);
    EXPECT_NE(at, std::string::npos);
    write_text(folder_ / "labels.txt", labels.replace(at, text.size(), replacement));
    return run({"evaluate", sample("classifier.onnx"), "--images", sample("eval/classifier/images"), "--labels", "labels.txt"});
  }
};

TEST_F(Labels, OfAMissingImageAreAnErrorThatNamesIt) {
  const Outcome outcome = evaluate_with("007.jpg", "gone.jpg");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("gone.jpg"));
}

TEST_F(Labels, ImagesWithoutOneAreWarnedAbout) {
  const Outcome outcome = evaluate_with("007.jpg 3\n", "");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("warning"));
  EXPECT_THAT(outcome.err, HasSubstr("007.jpg"));
}

TEST_F(Labels, OutsideTheClassesOfTheModelAreRefused) {
  const Outcome outcome = evaluate_with("007.jpg 3\n", "007.jpg 12\n");
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("12"));
}

TEST_F(Labels, ThatAreNotThereAreNamed) {
  const Outcome outcome = run({"evaluate", sample("classifier.onnx"), "--images", sample("eval/classifier/images"), "--labels", "no.txt"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("no.txt"));
}

TEST_F(Failures, AMisspeltPreprocessingKeyIsAnsweredWithTheNearest) {
  write_text(folder_ / "p.json", R"({"colour": "RGB"})");
  const Outcome outcome = quantize_images(sample("calib/classifier"), {"--preprocess", "p.json"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'color'"));
  EXPECT_THAT(outcome.err, HasSubstr("p.json"));
}

TEST_F(Failures, AnOutputFolderThatIsAFileIsAFileSystemError) {
  write_text(folder_ / "out", "mine");
  const Outcome outcome = quantize("classifier", folder_ / "out");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("out"));
  EXPECT_EQ(read_text(folder_ / "out"), "mine");
  const Outcome below = quantize("classifier", folder_ / "out/deeper");
  EXPECT_EQ(below.exit_code, 4);
  EXPECT_EQ(run({"convert", sample("classifier.onnx"), "-o", "out/m.dlc"}).exit_code, 4);
}

TEST_F(Failures, AFullDiskLeavesOldFilesAndNothingElse) {
  fs::create_directories(folder_ / "out");
  write_text(folder_ / "out/classifier.dlc", "old dlc");
  write_text(folder_ / "out/report.json", "old report");
  const auto before = files_below(folder_);
  // The encodings file fits, the DLC does not.
  const Outcome outcome = run({"quantize", sample("classifier.onnx"), "--calib", sample("calib/classifier"), "-o", "out"},
                              {.largest_file_bytes = 60000});
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("classifier.dlc"));
  EXPECT_TRUE(same_files(before, files_below(folder_)));
}

TEST_F(Failures, AFullDiskLeavesNoNewFolder) {
  const Outcome outcome = run({"convert", sample("classifier.onnx"), "-o", "new/deep/m.dlc"}, {.largest_file_bytes = 1000});
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(Failures, AFolderInTheWayOfAnOutputFileIsAnError) {
  fs::create_directories(folder_ / "out/classifier.dlc");
  const Outcome outcome = quantize("classifier", folder_ / "out");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(files_below(folder_), IsEmpty());
}

TEST_F(Failures, InspectRefusesWhatItDoesNotKnow) {
  write_text(folder_ / "x.bin", std::string(100, '\x7f'));
  write_text(folder_ / "x.json", "{\"a\": 1}");
  write_text(folder_ / "broken.json", "{\"a\": ");
  write_text(folder_ / "x.dlc", "PK\x03\x04 and nothing behind it");
  for (const char* name : {"x.bin", "x.json", "broken.json", "x.dlc"}) {
    const Outcome outcome = run({"inspect", name});
    EXPECT_EQ(outcome.exit_code, 3) << name << ": " << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(name));
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

}  // namespace
}  // namespace qtool::cli_test
