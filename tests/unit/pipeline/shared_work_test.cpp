// Recipes of one comparison share work; each result must be what the recipe gives by itself.
#include "shared_work.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "graph_fingerprint.h"
#include "qtool/exporters/registry.h"
#include "quantized_model.h"
#include "report.h"

namespace qtool::pipeline {
namespace {

const std::filesystem::path kSample = std::filesystem::path(QTOOL_SOURCE_DIR) / "data/sample";

class SharedRecipes : public ::testing::Test {
 protected:
  static QuantizeConfig config(std::vector<std::string> stages, std::string method = "", std::string profile = "dsp") {
    QuantizeConfig c;
    c.model.path = kSample / "classifier.onnx";
    c.data.calib = kSample / "calib/classifier";
    c.data.preprocess_file = kSample / "classifier.preprocess.json";
    c.profile = std::move(profile);
    c.bias_bitwidth = 32;
    c.activation_method = std::move(method);
    c.optimizations = std::move(stages);
    c.threads = 2;
    return c;
  }

  // Encodings, container and report, as `qtool quantize` would write them.
  std::string bytes(const QuantizeConfig& c, SharedWork* shared) {
    StageClock clock;
    const QuantizedModel quantized = quantize_in_memory(c, model_, data_, clock, reporter_, shared);
    std::string all = write_report({c, quantized, data_, 0.0, {}});
    const exporters::ExportRequest request{quantized.model.state, quantized.profile, "model", tool_version(), reporter_};
    for (const char* exporter : {"encodings", "dlc"}) {
      for (const exporters::OutputFile& file : exporters::builtin_registry().at(exporter).write(request)) {
        all.append(reinterpret_cast<const char*>(file.content.data()), file.content.size());
      }
    }
    return all;
  }

  SilentReporter reporter_;
  LoadedModel model_ = load_model(config({}).model, reporter_);
  CalibrationData data_ = open_calibration_data(config({}).data, model_.state.graph, 2, reporter_);
};

TEST_F(SharedRecipes, GiveTheBytesThatEachGivesAlone) {
  const std::vector<QuantizeConfig> recipes = {config({}),           config({}, "percentile"),          config({"cle"}),
                                               config({"cle", "bc"}), config({"bc"}),                    config({"bc"}, "mse"),
                                               config({}, "", "htp"), config({"selective"}, "", "htp"), config({"selective", "bc"}, "", "htp")};
  SharedWork shared;
  for (size_t i = 0; i < recipes.size(); ++i) EXPECT_TRUE(bytes(recipes[i], &shared) == bytes(recipes[i], nullptr)) << "recipe " << i;
  EXPECT_GE(shared.reused(), 8);
}

TEST_F(SharedRecipes, RecipesThatDifferAfterCalibrationDoNotCalibrateAgain) {
  class Counting final : public Reporter {
   public:
    void say(Severity, std::string_view) override {}
    void progress(std::string_view what, int64_t done, int64_t) override { passes += what == "calibrate" && done == 1; }
    int passes = 0;
  } counting;
  SharedWork shared;
  StageClock clock;
  QuantizeConfig first = config({}, "mse"), second = config({}, "mse");
  second.weight_method = "sqnr";
  (void)quantize_in_memory(first, model_, data_, clock, counting, &shared);
  EXPECT_EQ(counting.passes, 1);
  (void)quantize_in_memory(second, model_, data_, clock, counting, &shared);
  EXPECT_EQ(counting.passes, 1);
}

TEST_F(SharedRecipes, AChangedConstantChangesTheFingerprint) {
  LoadedModel other = model_;
  EXPECT_EQ(graph_fingerprint(other.state.graph), graph_fingerprint(model_.state.graph));
  for (const ir::ValueId id : other.state.graph.value_ids()) {
    ir::Value& value = other.state.graph.value(id);
    if (!value.constant || value.constant->dtype() != DType::kFloat32) continue;
    value.constant = value.constant->clone();
    value.constant->mutable_data<float>()[0] += 1.0f;
    break;
  }
  EXPECT_NE(graph_fingerprint(other.state.graph), graph_fingerprint(model_.state.graph));
}

TEST(RangeOptions, DifferInWhatDecidesRangesOnly) {
  QuantizeConfig base, stages, act16;
  base.activation_method = stages.activation_method = act16.activation_method = "mse";
  stages.optimizations = {"bc"};
  act16.precision = {{.kind = passes::PrecisionRule::Kind::kActivation, .bits = 16, .pattern = "*", .option = "--act16"}};
  EXPECT_EQ(range_options(base), range_options(stages));
  EXPECT_NE(range_options(base), range_options(act16));
  base.activation_method = stages.activation_method = "";  // now the stages decide the method too
  EXPECT_NE(range_options(base), range_options(stages));
}

}  // namespace
}  // namespace qtool::pipeline
