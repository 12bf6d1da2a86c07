#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/convert.h"
#include "qtool/support/format.h"

namespace qtool::cli {

Action add_convert(CLI::App& app, const CommonOptions& common) {
  auto config = std::make_shared<pipeline::ConvertConfig>();
  app.add_option("model", config->model.path, "ONNX model")->required();
  app.add_option("-o,--output", config->output, "the file to write: .dlc, or .onnx for the cleaned-up float model")->required();
  app.add_flag("--fp16", config->fp16, "weights and activations in float16");
  add_input_shape(app, config->model.input_shapes);
  return [config, &common](Reporter& reporter) {
    const pipeline::ConvertSummary summary = pipeline::convert(*config, reporter);
    if (common.json) {
      const nlohmann::ordered_json json = {{"file", config->output.string()}, {"ops", summary.ops}, {"size_bytes", summary.size_bytes}};
      std::printf("%s\n", json.dump(2).c_str());
    } else if (!common.quiet) {
      std::printf("%s", format("wrote {} ({} ops, {} bytes)\n", config->output.string(), summary.ops, summary.size_bytes).c_str());
    }
    return 0;
  };
}

}  // namespace qtool::cli
