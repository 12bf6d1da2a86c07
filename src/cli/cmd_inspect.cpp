#include <cstdio>

#include "command.h"
#include "qtool/pipeline/inspect.h"

namespace qtool::cli {

Action add_inspect(CLI::App& app, const CommonOptions& common) {
  struct Options {
    std::filesystem::path file;
    bool layers = false;
  };
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "ONNX model, encodings JSON or DLC")->required();
  app.add_flag("--layers", options->layers, "list every operator and tensor");
  return [options, &common](Reporter& reporter) {
    const pipeline::Inspection inspection = pipeline::inspect(options->file, options->layers, reporter);
    std::fputs((common.json ? inspection.json : inspection.text).c_str(), stdout);
    return 0;
  };
}

}  // namespace qtool::cli
