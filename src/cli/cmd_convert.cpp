#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/convert.h"
#include "qtool/support/format.h"

namespace qtool::cli {

Action add_convert(CLI::App& app, const CommonOptions& common) {
  auto config = std::make_shared<pipeline::ConvertConfig>();
  app.add_option("model", config->model.path, "ONNX model, float or quantized (QDQ)")->required();
  app.add_option("-o,--output", config->output, "the file to write: .dlc, .onnx, or .json for the encodings of a quantized model")->required();
  app.add_flag("--fp16", config->fp16, "weights and activations in float16");
  add_input_shape(app, config->model.input_shapes);
  add_unroll_recurrent(app, config->model.unroll_recurrent);
  return [config, &common](Reporter& reporter) {
    const pipeline::ConvertSummary summary = pipeline::convert(*config, reporter);
    if (common.json) {
      const nlohmann::ordered_json json = {{"file", config->output.string()}, {"ops", summary.ops}, {"encodings", summary.encodings}, {"size_bytes", summary.size_bytes}};
      std::printf("%s\n", json.dump(2).c_str());
    } else if (!common.quiet) {
      const std::string encodings = summary.encodings > 0 ? format("{} encodings, ", summary.encodings) : "";
      std::printf("%s", format("wrote {} ({} ops, {}{} bytes)\n", config->output.string(), summary.ops, encodings, summary.size_bytes).c_str());
    }
    return 0;
  };
}

}  // namespace qtool::cli
