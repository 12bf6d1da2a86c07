// Convolution weights of real models: a method that minimizes noise never gives less SQNR than min-max. Skipped where the
// shared models are absent.
#include <gtest/gtest.h>

#include "qtool/passes/compute_encodings.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/pipeline/profile_file.h"
#include "qtool/quant/quantize.h"
#include "support/shared_data.h"

namespace qtool::pipeline {
namespace {

using Sqnr = std::map<std::string, double>;

Sqnr weight_sqnr(const model::ModelState& planned, const std::string& method) {
  model::ModelState state = planned;
  (void)passes::compute_encodings(state, {}, calib::builtin_registry().at("min-max"), calib::builtin_registry().at(method));
  Sqnr sqnr;
  for (const auto& [id, entry] : state.encodings) {
    if (state.plan.find(id)->role != model::TensorRole::kWeight) continue;
    sqnr[state.graph.value(id).name] = quant::quantization_error(*state.graph.constant(id), entry.encoding).sqnr();
  }
  return sqnr;
}

TEST(WeightMethods, NeverBelowMinMaxOnRealConvolutions) {
  QTOOL_NEEDS_SHARED_DATA();
  SilentReporter silent;
  for (const char* name : {"mobilenet_v2", "yolov8n"}) {
    LoadedModel model = load_model({.path = qtool::testing::shared_data() / "models" / (std::string(name) + ".onnx")}, silent);
    for (const char* profile : {"dsp", "htp"}) {
      passes::plan_quantization(model.state, load_profile(profile), ops::builtin_registry());
      const Sqnr floor = weight_sqnr(model.state, "min-max");
      ASSERT_GT(floor.size(), 50u);
      for (const char* method : {"mse", "sqnr", "auto"}) {
        size_t better = 0;
        for (const auto& [tensor, sqnr] : weight_sqnr(model.state, method)) {
          EXPECT_GE(sqnr, floor.at(tensor)) << name << " " << profile << " " << method << " " << tensor;
          better += sqnr > floor.at(tensor);
        }
        EXPECT_GT(better, 0u) << name << " " << profile << " " << method;
      }
    }
  }
}

}  // namespace
}  // namespace qtool::pipeline
