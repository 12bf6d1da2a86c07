#include <cstdio>

#include "command.h"
#include "qtool/pipeline/inspect.h"

namespace qtool::cli {

Action add_inspect(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<pipeline::InspectOptions>();
  app.add_option("file", options->path, "ONNX model, encodings JSON or DLC")->required();
  app.add_flag("--layers", options->layers, "list every operator and tensor");
  add_input_shape(app, options->input_shapes);
  return [options, &common](Reporter& reporter) {
    const pipeline::Inspection inspection = pipeline::inspect(*options, reporter);
    std::fputs((common.json ? inspection.json : inspection.text).c_str(), stdout);
    return 0;
  };
}

}  // namespace qtool::cli
