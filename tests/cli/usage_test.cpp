// Help, version, lists, and what a wrong command line is answered with.
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

class Usage : public ToolTest {};

TEST_F(Usage, HelpNamesEveryCommandWithExamplesAndExitCodes) {
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* word : {"quantize", "convert", "run", "bench", "inspect", "list", "evaluate", "Examples:", "Exit codes: 0 done"}) {
    EXPECT_THAT(help.out, HasSubstr(word));
  }
  EXPECT_THAT(help.err, IsEmpty());
}

TEST_F(Usage, HelpOfQuantizeIsGrouped) {
  const Outcome help = run({"quantize", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* word : {"Usage: qtool quantize", "\nData:", "\nPreprocessing:", "\nQuantization:", "\nOutput:", "\nGeneral:", "Examples:",
                           "--bias_bitwidth", "--use_per_channel_quantization"}) {
    EXPECT_THAT(help.out, HasSubstr(word));
  }
}

TEST_F(Usage, EveryCommandHasHelp) {
  for (const char* command : {"quantize", "convert", "run", "bench", "inspect", "list", "evaluate"}) {
    const Outcome help = run({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr(std::string("Usage: qtool ") + command));
  }
}

TEST_F(Usage, VersionIsOneLine) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, MatchesRegex("qtool [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(Usage, UnknownOptionIsAnsweredWithTheNearest) {
  const Outcome outcome = run({"quantize", "m.onnx", "--calb", "x", "-o", "out"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("unknown option '--calb'"), HasSubstr("'--calib'"), HasSubstr("qtool quantize --help")));
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST_F(Usage, UnknownCommandIsAnsweredWithTheNearest) {
  const Outcome outcome = run({"quantise", "m.onnx"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("'quantise'"), HasSubstr("'quantize'")));
}

TEST_F(Usage, NoCommandListsThem) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("a command is needed"), HasSubstr("quantize")));
}

TEST_F(Usage, MissingModelIsNamed) {
  const Outcome outcome = run({"quantize"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("model is required"));
}

TEST_F(Usage, SurplusArgumentIsRefused) {
  const Outcome outcome = run({"inspect", "a.onnx", "b.onnx"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'b.onnx'"));
}

struct BadValue {
  const char* option;
  const char* value;
  const char* answer;
};

class BadValues : public ToolTest, public ::testing::WithParamInterface<BadValue> {};

TEST_P(BadValues, AreUsageErrorsThatSayWhatIsAllowed) {
  const auto& [option, value, answer] = GetParam();
  const Outcome outcome = quantize("classifier", folder_ / "out", {option, value});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(answer));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

INSTANTIATE_TEST_SUITE_P(
    Quantize, BadValues,
    ::testing::Values(BadValue{"--bias_bitwidth", "7", "use 8 or 32"}, BadValue{"--bias_bitwidth", "many", "--bias_bitwidth"},
                      BadValue{"--act_bitwidth", "9", "use 8 or 16"}, BadValue{"--weights_bitwidth", "5", "use 4, 8 or 16"},
                      BadValue{"--profile", "hpt", "'htp'"}, BadValue{"--preset", "imagnet", "'imagenet'"},
                      BadValue{"--resize", "leterbox", "letterbox"}, BadValue{"--interp", "cubic", "bicubic"},
                      BadValue{"--color", "RBG", "RGB"}, BadValue{"--scale", "big", "1/255"}, BadValue{"--std", "0", "numbers above 0"},
                      BadValue{"--pad", "300", "0 to 255"}, BadValue{"--threads", "0", "--threads"}, BadValue{"--threads", "x", "--threads"},
                      BadValue{"--limit", "-1", "--limit"}, BadValue{"--isa", "sse9", "avx2"}, BadValue{"--emit", "dlcc", "'dlc'"}, BadValue{"--float", "Convv", "'Conv'"},
                      BadValue{"--act_quantizer", "min-mex", "'min-max'"}, BadValue{"--input-shape", "input:1,x", "1,x"},
                      BadValue{"--input-shape", "inptu:1,3,64,64", "input"}));

TEST_F(Usage, PerChannelWeightsDoNotGoWithAnEightBitBias) {
  const Outcome outcome = quantize("classifier", folder_ / "out", {"--use_per_channel_quantization", "--bias_bitwidth", "8"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--bias_bitwidth 32"));
}

TEST_F(Usage, ListsAreJson) {
  const Outcome ops = run({"list", "ops", "--json"});
  ASSERT_EQ(ops.exit_code, 0);
  const Json rows = Json::parse(ops.out);
  EXPECT_GT(rows.size(), 100u);
  for (const Json& row : rows) {
    EXPECT_TRUE(row.at("name").is_string() && row.at("domain").is_string()) << row;
    EXPECT_LE(row.at("first_opset"), row.at("last_opset")) << row;
  }
  for (const char* what : {"methods", "exporters", "profiles", "presets"}) {
    EXPECT_GE(Json::parse(run({"list", what, "--json"}).out).size(), 1u) << what;
  }
}

TEST_F(Usage, AnUnknownListIsRefused) {
  const Outcome outcome = run({"list", "opps"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'ops'"));
}

TEST_F(Usage, ErrorsObeyLogJson) {
  const Outcome outcome = run({"quantize", "m.onnx", "--calb", "x", "--log-json"});
  EXPECT_EQ(outcome.exit_code, 2);
  const Json line = Json::parse(outcome.err);
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_EQ(line.at("code"), "usage");
}

}  // namespace
}  // namespace qtool::cli_test
