#include <cstdio>

#include "command.h"
#include "measured_flags.h"
#include "qtool/pipeline/compare_recipes.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::cli {

namespace {

constexpr int kExitGate = 1;

struct Options {
  pipeline::CompareConfig config;
  MeasuredFlags measured;
  std::string recipes = "vanilla,recommended", gate, markdown;
  int64_t calibration_limit = 0;
  double max_drop = 0.0;
};

void write_text(const std::string& path, const std::string& text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace

Action add_compare(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::CompareConfig& c = o.config;
  add_calibrated_model(app, c.base);
  app.add_option("--recipes", o.recipes, "comma list of presets, recipe files, or stages joined by '+' (vanilla,recommended)")->group("Comparison");
  app.add_option("--max-drop", o.max_drop, "exit code 1 when the best recipe loses more points than this")->group("Comparison");
  app.add_option("--gate", o.gate, "comma list: these recipes must stay within --max-drop, instead of the best one")->group("Comparison");
  app.add_option("--resamples", c.resamples, "bootstrap draws for the interval of a drop (1000; 0: none)")->check(CLI::Range(int64_t{0}, int64_t{1} << 20).description(""))->group("Comparison");
  app.add_option("--html", c.html, "report as one HTML file: table, stages, ranges, worst layers, sample images")->group("Output");
  app.add_option("--class-names", c.class_names, "names for the page, one a line in the order of class indices (default: of the labels)")->check(CLI::ExistingFile.description(""))->group("Output");
  app.add_option("--markdown", o.markdown, "write the table to this file")->group("Output");
  add_measured(app, o.measured, c.base, c.evaluation);
  app.footer(
      "Examples:\n"
      "  qtool compare m.onnx --calib imgs/ --images val/ --labels labels.txt --preset imagenet --recipes vanilla,cle,cle+bc,recommended --html report.html\n"
      "  qtool compare y.onnx --calib imgs/ --images val/ --labels instances.json --preset yolo --max-drop 0.5 --json");
  return [options, &app, &common](Reporter& reporter) {
    Options& o = *options;
    pipeline::CompareConfig& c = o.config;
    settle_measured(app, common, o.measured, c.base, c.evaluation);
    c.recipes = CLI::detail::split(o.recipes, ',');
    if (!o.gate.empty()) c.gate = CLI::detail::split(o.gate, ',');
    if (app.count("--max-drop") > 0) c.max_drop = o.max_drop;
    const pipeline::CompareResult result = pipeline::compare_recipes(c, reporter);
    if (common.json) std::fputs(pipeline::comparison_json(result).c_str(), stdout);
    else std::fputs(pipeline::comparison_markdown(result).c_str(), stdout);
    if (!o.markdown.empty()) write_text(o.markdown, pipeline::comparison_markdown(result));
    if (!c.html.empty() && !common.json && !common.quiet) std::printf("\nwrote %s\n", c.html.string().c_str());
    if (!result.gate_failure) return 0;
    std::fputs(format("gate failed: {}\n", *result.gate_failure).c_str(), stderr);
    return kExitGate;
  };
}

}  // namespace qtool::cli
