#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/run_model.h"
#include "qtool/support/format.h"

namespace qtool::cli {

Action add_run(CLI::App& app, const CommonOptions& common) {
  auto config = std::make_shared<pipeline::RunConfig>();
  app.add_option("model", config->model.path, "ONNX model")->required();
  app.add_option("--inputs", config->inputs, ".npz with tensor names as keys, or [name:=]file.npy|file.raw (repeatable)")->required()->allow_extra_args(false);
  app.add_option("--outputs", config->outputs, ".npz, .npy, .raw, or a folder of .raw files")->required();
  app.add_option("--encodings", config->encodings, "encodings JSON: simulate instead of float");
  app.add_option("--output-tensor", config->extra_outputs, "also return this tensor (repeatable)")->allow_extra_args(false);
  add_input_shape(app, config->model.input_shapes);
  add_split_output(app, config->model.split_outputs);
  add_unroll_recurrent(app, config->model.unroll_recurrent);
  return [config, &common](Reporter& reporter) {
    config->threads = common.resolved_threads();
    const pipeline::RunSummary summary = pipeline::run_model(*config, reporter);
    if (common.json) {
      nlohmann::ordered_json json = {{"milliseconds", summary.milliseconds}, {"encodings_applied", summary.encodings_applied}};
      for (const auto& [name, type] : summary.outputs) json["outputs"][name] = {{"dtype", dtype_name(type.dtype)}, {"shape", type.shape.dims()}};
      std::printf("%s\n", json.dump(2).c_str());
    } else if (!common.quiet) {
      for (const auto& [name, type] : summary.outputs) {
        std::printf("%s", format("{}: {} {}\n", name, dtype_name(type.dtype), type.shape.text()).c_str());
      }
    }
    return 0;
  };
}

}  // namespace qtool::cli
