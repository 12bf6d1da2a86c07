#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "command.h"
#include "qtool/pipeline/bench.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::cli {

namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) { return std::round(value * 1e3) / 1e3; }

Json to_json(const pipeline::BenchSummary& s) {
  Json json = {{"backend", s.backend}, {"isa", s.isa}, {"threads", s.threads},
               {"images_per_second", rounded(s.images_per_second)}, {"ms_per_image", rounded(s.ms_per_image)},
               {"latency_ms", rounded(s.latency_ms)}, {"images", s.images}, {"rounds", s.rounds}, {"spread", rounded(s.spread)},
               {"import_ms", rounded(s.import_ms)}, {"plan_ms", rounded(s.plan_ms)},
               {"peak_memory_mb", rounded(s.peak_memory_mb)}, {"arena_mb", rounded(s.arena_mb)}, {"steps", s.steps},
               {"reference_nodes", s.reference_nodes}};
  for (const auto& [threads, gflops] : s.fma_gflops) json["fma_gflops"][std::to_string(threads)] = rounded(gflops);
  for (const exec::StepTime& step : s.step_times) {
    json["steps_ms"].push_back({{"op", step.op}, {"node", step.node}, {"ms", rounded(step.seconds * 1e3)}});
  }
  return json;
}

void print_steps(const std::vector<exec::StepTime>& steps) {
  constexpr size_t kShown = 30;
  double total = 0.0;
  std::map<std::string, double> by_op;
  for (const exec::StepTime& step : steps) {
    total += step.seconds;
    by_op[step.op] += step.seconds;
  }
  const auto row = [&](double seconds, const std::string& what) {
    std::printf("%s", format("  {:8.3f} ms {:5.1f} %  {}\n", seconds * 1e3, 100.0 * seconds / total, what).c_str());
  };
  std::printf("by operator, one thread\n");
  for (const auto& [op, seconds] : by_op) row(seconds, op);
  std::printf("slowest steps\n");
  for (size_t i = 0; i < std::min(kShown, steps.size()); ++i) row(steps[i].seconds, format("{} '{}'", steps[i].op, steps[i].node));
}

void print_text(const pipeline::BenchSummary& s) {
  std::string probe;
  for (const auto& [threads, gflops] : s.fma_gflops) {
    probe += format("{}{:.0f} GFLOP/s on {} thread{}", probe.empty() ? "" : ", ", gflops, threads, threads == 1 ? "" : "s");
  }
  std::printf("%s", format("{}, {}, {} thread{} (bare multiply-adds: {})\n", s.backend, s.isa, s.threads, s.threads == 1 ? "" : "s", probe).c_str());
  std::printf("%s", format("  throughput    {:.1f} images/s, {:.2f} ms an image (median of {} rounds, spread {:.0f} %)\n",
                           s.images_per_second, s.ms_per_image, s.rounds, 100.0 * s.spread).c_str());
  std::printf("%s", format("  latency       {:.2f} ms, one image on all threads\n", s.latency_ms).c_str());
  std::printf("%s", format("  first run     import {:.0f} ms, plan {:.0f} ms\n", s.import_ms, s.plan_ms).c_str());
  std::printf("%s", format("  memory        {:.0f} MB peak, activations {:.1f} MB a thread\n", s.peak_memory_mb, s.arena_mb).c_str());
  std::printf("%s", format("  steps         {}, {} without a fast kernel\n", s.steps, s.reference_nodes.size()).c_str());
}

void check_backend(const std::string& backend, const pipeline::BenchConfig& config) {
  static const std::vector<std::string> kBackends = {"fp32", "sim"};
  if (backend.empty()) return;
  if (backend != "fp32" && backend != "sim") {
    throw Error(ErrorCode::kUsage, format("unknown backend '{}'{} (use fp32 or sim)", backend, did_you_mean(backend, kBackends)));
  }
  if (backend == "sim" && config.encodings.empty()) throw Error(ErrorCode::kUsage, "--backend sim needs --encodings FILE");
  if (backend == "fp32" && !config.encodings.empty()) {
    throw Error(ErrorCode::kUsage, "--backend fp32 does not use encodings; leave --encodings out or use --backend sim");
  }
}

}  // namespace

Action add_bench(CLI::App& app, const CommonOptions& common) {
  struct Options {
    pipeline::BenchConfig config;
    std::string backend;
  };
  auto options = std::make_shared<Options>();
  pipeline::BenchConfig& c = options->config;
  app.add_option("model", c.model.path, "ONNX model")->required();
  app.add_option("--seconds", c.seconds, "time to measure for (default: 5)")->check(CLI::Range(0.01, 3600.0).description(""));
  app.add_flag("--profile", c.profile, "also list the slowest steps, one image on one thread");
  app.add_option("--backend", options->backend, "fp32, or sim: on the grids of an encodings file");
  app.add_option("--encodings", c.encodings, "encodings JSON of the simulation");
  add_input_shape(app, c.model.input_shapes);
  add_split_output(app, c.model.split_outputs);
  add_unroll_recurrent(app, c.model.unroll_recurrent);
  return [options, &common](Reporter& reporter) {
    options->config.threads = common.resolved_threads();
    check_backend(options->backend, options->config);
    const pipeline::BenchSummary summary = pipeline::bench(options->config, reporter);
    if (common.json) std::printf("%s\n", to_json(summary).dump(2).c_str());
    else print_text(summary);
    if (!common.json && !summary.step_times.empty()) print_steps(summary.step_times);
    return 0;
  };
}

}  // namespace qtool::cli
