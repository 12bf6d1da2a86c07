// Head analysis on the detectors of the shared data folder, with ranges of one stored image; skipped where the folder is
// absent. The expected figures are those of the experiments that the rule comes from.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "qtool/data/npz.h"
#include "qtool/exec/executor.h"
#include "qtool/optimize/head_analysis.h"
#include "qtool/pipeline/load_model.h"

namespace qtool::pipeline {
namespace {

namespace fs = std::filesystem;
const fs::path kShared = fs::path(QTOOL_SOURCE_DIR) / "../shared/data";

struct Expected {
  const char* model;
  size_t last_layers, clashes, wide;
};

class HeadModels : public ::testing::TestWithParam<Expected> {};

std::map<ir::ValueId, quant::Range> ranges_of(const ir::Graph& graph, const std::string& name) {
  std::vector<ir::ValueId> observed;
  for (const ir::ValueId id : graph.value_ids()) {
    const ir::Value& value = graph.value(id);
    if (value.producer != ir::kNoNode && value.type && value.type->dtype == DType::kFloat32) observed.push_back(id);
  }
  std::vector<Tensor> inputs;
  for (const auto& [key, tensor] : data::read_npz(kShared / "reference" / (name + ".npz"))) {
    if (key.starts_with("in_")) inputs.push_back(tensor);
  }
  std::map<ir::ValueId, quant::Range> ranges;
  const exec::Executor executor(graph, {.observed = observed});
  (void)executor.new_session().run(inputs, [&](ir::ValueId id, const exec::PhysicalView& view) {
    exec::for_each_span(view, [&](std::span<const float> values) {
      for (const float v : values) {
        const auto [at, is_new] = ranges.try_emplace(id, quant::Range{v, v});
        at->second.include({v, v});
      }
    });
  });
  return ranges;
}

TEST_P(HeadModels, DecideAsTheExperimentsDid) {
  const Expected& expected = GetParam();
  const fs::path path = kShared / "models" / (std::string(expected.model) + ".onnx");
  if (!fs::exists(path)) GTEST_SKIP() << "no shared data beside the repository";
  SilentReporter reporter;
  const LoadedModel model = load_model({.path = path}, reporter);
  const auto ranges = ranges_of(model.state.graph, expected.model);
  const optimize::HeadAnalysis head = optimize::analyze_head(model.state.graph, [&](ir::ValueId id) -> std::optional<quant::Range> {
    const auto at = ranges.find(id);
    return at == ranges.end() ? std::nullopt : std::optional(at->second);
  });
  EXPECT_EQ(head.last_layers.size(), expected.last_layers);
  EXPECT_EQ(std::count_if(head.findings.begin(), head.findings.end(),
                          [](const auto& f) { return f.cause == optimize::HeadCause::kRangeClash; }),
            static_cast<std::ptrdiff_t>(expected.clashes));
  EXPECT_EQ(head.findings.size(), expected.wide);
}

INSTANTIATE_TEST_SUITE_P(Shared, HeadModels,
                         ::testing::Values(Expected{"yolov8n", 6, 1, 7}, Expected{"yolo11n_320", 6, 1, 7},
                                           Expected{"yolov5n_bn", 3, 3, 25}, Expected{"yolox_nano", 9, 0, 0},
                                           Expected{"ssdlite_mnv2_person_300", 12, 0, 16}, Expected{"mobilenet_v2", 1, 0, 0},
                                           Expected{"deeplabv3_mnv2", 1, 0, 0}),
                         [](const auto& info) { return std::string(info.param.model); });

}  // namespace
}  // namespace qtool::pipeline
