// Encodings that arrive, precision by hand, and the encodings command.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EncodingsFiles : public ToolTest {
 protected:
  Json json_of(const fs::path& path) const { return Json::parse(read_text(folder_ / path)); }
  // Some encodings of the classifier, made once a test.
  Json base() {
    EXPECT_EQ(quantize("classifier", folder_ / "base", {"--profile", "htp", "--limit", "8"}).exit_code, 0);
    return json_of("base/classifier.encodings.json");
  }
  Outcome with_overrides(const Json& file, Arguments options = {}) {
    write_text(folder_ / "overrides.json", file.dump());
    options.insert(options.end(), {"--profile", "htp", "--limit", "8", "--quantization_overrides", (folder_ / "overrides.json").string()});
    return quantize("classifier", folder_ / "out", options);
  }
};

TEST_F(EncodingsFiles, GoThroughAllVersionsAndComeBackEqual) {
  (void)base();
  std::string at = "base/classifier.encodings.json";
  for (const char* version : {"1.0.0", "2.0.0", "2.1.0", "overrides", "0.6.1"}) {
    const std::string next = std::string("e_") + version + ".json";
    const Outcome outcome = run({"encodings", "convert", at, "--to", version, "-o", next, "--model", sample("classifier.onnx")});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    at = next;
  }
  const Outcome same = run({"encodings", "diff", "base/classifier.encodings.json", at});
  EXPECT_EQ(same.exit_code, 0) << same.out;
  EXPECT_THAT(same.out, HasSubstr("factor of 1"));
}

TEST_F(EncodingsFiles, ThatDifferAreToldByTensorWithExitCodeOne) {
  Json file = base();
  const std::string name = file["activation_encodings"].begin().key();
  file["activation_encodings"][name][0]["scale"] = 123.0;
  write_text(folder_ / "other.json", file.dump());
  const Outcome outcome = run({"encodings", "diff", "base/classifier.encodings.json", "other.json", "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(Json::parse(outcome.out).at("different").at(0).at("tensor"), name);
}

TEST_F(EncodingsFiles, AreCheckedAgainstTheModel) {
  Json file = base();
  EXPECT_EQ(run({"encodings", "check", "base/classifier.encodings.json", "--model", sample("classifier.onnx")}).exit_code, 0);
  file["activation_encodings"]["imagee"] = {{{"bitwidth", 8}, {"scale", 1.0}, {"offset", 0}}};
  write_text(folder_ / "wrong.json", file.dump());
  const Outcome outcome = run({"encodings", "check", "wrong.json", "--model", sample("classifier.onnx"), "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  const Json found = Json::parse(outcome.out);
  EXPECT_EQ(found.at("errors"), 1);
  EXPECT_EQ(found.at("findings").at(0).at("rule"), "unknown-name");
}

TEST_F(EncodingsFiles, ThatAreGivenStayAndTheRestIsFilled) {
  Json file = base();
  const Json all = file["activation_encodings"];
  const std::string kept = all.begin().key();
  file["activation_encodings"] = {{kept, {{{"bitwidth", 8}, {"is_symmetric", "False"}, {"scale", 0.25}, {"offset", -100}}}}};
  const Outcome outcome = with_overrides(file);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(" tensors from file 'overrides.json'"));
  const Json written = json_of("out/classifier.encodings.json");
  EXPECT_EQ(written["activation_encodings"][kept][0]["scale"], 0.25);
  EXPECT_EQ(written["activation_encodings"].size(), all.size());
  const Json report = json_of("out/report.json");
  EXPECT_GT(report["overrides"]["from_file"], 1);
  EXPECT_FALSE(report["overrides"]["filled"].empty());
}

TEST_F(EncodingsFiles, WithAnUnknownNameAreRefusedWithTheNearestOneAndACount) {
  Json file = base();
  const std::string known = file["activation_encodings"].begin().key();
  file["activation_encodings"][known + "x"] = file["activation_encodings"][known];
  const Outcome outcome = with_overrides(file);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean '" + known + "'"));
  EXPECT_THAT(outcome.err, HasSubstr("1 of "));
  EXPECT_FALSE(fs::exists(folder_ / "out/classifier.encodings.json"));
  EXPECT_EQ(with_overrides(file, {"--allow-unknown-encodings"}).exit_code, 0);
}

TEST_F(EncodingsFiles, OfWhichNothingAppliesAreAnError) {
  const Outcome outcome = with_overrides({{"activation_encodings", Json::object()}, {"param_encodings", Json::object()}});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("not a single encoding"));
}

TEST_F(EncodingsFiles, AreIgnoredOnRequest) {
  Json file = base();
  for (auto& [name, list] : file["activation_encodings"].items()) list[0]["scale"] = 77.0;
  ASSERT_EQ(with_overrides(file, {"--ignore-encodings"}).exit_code, 0);
  EXPECT_EQ(read_text(folder_ / "out/classifier.encodings.json"), read_text(folder_ / "base/classifier.encodings.json"));
}

TEST_F(EncodingsFiles, AreWrittenInTheVersionAskedFor) {
  for (const char* version : {"1.0.0", "2.0.0", "2.1.0"}) {
    ASSERT_EQ(quantize("classifier", folder_ / version, {"--limit", "2", "--profile", "htp", "--encodings-version", version}).exit_code, 0);
    EXPECT_EQ(json_of(fs::path(version) / "classifier.encodings.json").at("version"), version);
    EXPECT_EQ(run({"encodings", "check", fs::path(version) / "classifier.encodings.json", "--model", sample("classifier.onnx")}).exit_code, 0);
  }
}

TEST_F(EncodingsFiles, SayWhatStaysFloatByHandAndTheContainerConvertsAtItsBorders) {
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--limit", "4", "--profile", "htp", "--act16", "Clip", "--float", "Gemm", "--w4", "Conv"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json report = json_of("out/report.json");
  EXPECT_GT(report["precision"]["activations"]["16"], 3);
  EXPECT_GT(report["precision"]["weights"]["4"], 3);
  EXPECT_GT(report["files"]["classifier.dlc"]["inserted_conversions"], 0);
  const Json parameters = json_of("out/classifier.encodings.json")["param_encodings"];
  size_t floats = 0;
  for (const auto& [name, list] : parameters.items()) floats += list[0]["dtype"] == "float" ? 1 : 0;
  EXPECT_GT(floats, 0u);
}

}  // namespace
}  // namespace qtool::cli_test
