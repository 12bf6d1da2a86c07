// Imports every model of the shared data folder beside the repository; skipped where it is absent.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "qtool/onnxio/import.h"
#include "qtool/onnxio/quantized_kind.h"

namespace qtool::onnxio {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> shared_models() {
  const fs::path folder = fs::path(QTOOL_SOURCE_DIR) / "../shared/data/models";
  std::vector<fs::path> paths;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    if (entry.path().extension() == ".onnx") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(RealModels, EveryOneIsImported) {
  const auto paths = shared_models();
  if (paths.empty()) GTEST_SKIP() << "no models beside the repository";
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path.filename().string());
    SilentReporter silent;
    ImportOptions options;
    // The text detector takes pages of any size.
    if (path.stem() == "ppocrv4_det") options.input_shapes[""] = {1, 3, 320, 320};
    const ImportedModel model = import_model(path, options, silent);
    EXPECT_FALSE(model.graph.node_ids().empty());
    EXPECT_TRUE(model.graph.verify().empty());
    EXPECT_FALSE(quantized_kind(model.graph));
    for (const ir::ValueId input : model.graph.inputs) EXPECT_TRUE(model.graph.value(input).type.has_value());
  }
}

}  // namespace
}  // namespace qtool::onnxio
