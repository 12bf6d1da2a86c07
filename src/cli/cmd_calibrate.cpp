#include <cstdio>
#include <nlohmann/json.hpp>

#include "command.h"
#include "preprocessing_flags.h"
#include "qtool/pipeline/calibrate_model.h"
#include "qtool/support/format.h"
#include "qtool/support/memory.h"

namespace qtool::cli {

namespace {

void print(const pipeline::CalibrateSummary& s, const std::filesystem::path& file, const CommonOptions& common) {
  if (common.json) {
    const nlohmann::ordered_json json = {{"samples", s.samples}, {"total_samples", s.total_samples}, {"tensors", s.tensors},
                                         {"size_bytes", s.size_bytes}, {"preprocessing", s.preprocessing}, {"seconds", s.seconds},
                                         {"peak_memory_mb", peak_memory_mb()}};
    std::printf("%s\n", json.dump(2).c_str());
  } else if (!common.quiet) {
    std::printf("%s", format("wrote {}: {} of {} samples, {} tensors, {:.1f} MB; {:.2f} s, peak memory {:.0f} MB\n", file.string(), s.samples,
                             s.total_samples, s.tensors, static_cast<double>(s.size_bytes) / 1e6, s.seconds, peak_memory_mb()).c_str());
  }
}

}  // namespace

Action add_calibrate(CLI::App& app, const CommonOptions& common) {
  struct Options {
    pipeline::CalibrateConfig config;
    PreprocessingFlags preprocessing;
    std::string shard;
  };
  auto options = std::make_shared<Options>();
  Options& o = *options;
  pipeline::CalibrateConfig& c = o.config;
  app.add_option("model", c.model.path, "FP32 ONNX model")->required();
  app.add_option("-o,--stats-out", c.output, "statistics file to write")->required();
  add_input_shape(app, c.model.input_shapes);
  add_split_output(app, c.model.split_outputs);
  add_unroll_recurrent(app, c.model.unroll_recurrent);
  app.add_option("--calib,--input_list", c.data.calib, "folder of images, list file, .npy/.npz/.raw tensors")->required()->group("Data");
  app.add_option("--shard", o.shard, "K/N: every Nth sample from the Kth on")->group("Data");
  app.add_option("--limit", c.data.limit, "use the first N samples (default: all)")->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""))->group("Data");
  app.add_flag("--skip-bad-images", c.data.skip_bad_images, "leave out unreadable images instead of failing")->group("Data");
  app.add_option("--preprocess", c.data.preprocess_file, "JSON file that declares the preprocessing")->group("Preprocessing");
  add_preprocessing(app, o.preprocessing);
  app.footer(
      "Example, four machines:\n"
      "  qtool calibrate model.onnx --calib imgs/ --shard 1/4 --stats-out s1.qstats    (2/4, 3/4, 4/4 likewise)\n"
      "  qtool merge-stats s?.qstats -o s.qstats\n"
      "  qtool quantize model.onnx --stats s.qstats -o out/");
  return [options, &common](Reporter& reporter) {
    pipeline::CalibrateConfig& c = options->config;
    c.threads = common.resolved_threads();
    c.data.preprocessing = options->preprocessing.request();
    if (!options->shard.empty()) std::tie(c.shard, c.shards) = pipeline::parse_shard(options->shard);
    print(pipeline::calibrate_model(c, reporter), c.output, common);
    return 0;
  };
}

Action add_merge_stats(CLI::App& app, const CommonOptions& common) {
  struct Options {
    std::vector<std::filesystem::path> inputs;
    std::filesystem::path output;
  };
  auto options = std::make_shared<Options>();
  app.add_option("files", options->inputs, "statistics of all shards")->required();
  app.add_option("-o,--output", options->output, "statistics file to write")->required();
  return [options, &common](Reporter&) {
    print(pipeline::merge_statistics_files(options->inputs, options->output), options->output, common);
    return 0;
  };
}

}  // namespace qtool::cli
