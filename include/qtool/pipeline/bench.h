// `qtool bench`: how fast a model runs here, in float or simulated on the grids of an encodings file.
//
// Throughput is that of a stream of images of batch 1, one image a worker thread, which is how calibration and
// evaluation run. Latency is that of one image with all threads inside the operators. Both are medians over rounds
// after a warm-up, on random inputs; time does not depend on the values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "qtool/exec/executor.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct BenchConfig {
  ModelOptions model;
  std::filesystem::path encodings;   // empty: float
  int threads = 1;
  bool profile = false;              // also time every step on one thread
  double seconds = 5.0;              // of measuring, > 0; about half for throughput, a quarter for latency
};

struct BenchSummary {
  std::string backend;               // "fp32" or "sim"
  std::string isa;
  int threads = 1;
  double import_ms = 0.0;            // reading, shapes, clean-up
  double plan_ms = 0.0;              // kernels chosen, weights packed
  double images_per_second = 0.0;
  double ms_per_image = 0.0;         // 1000 / images_per_second
  double latency_ms = 0.0;           // one image, `threads` threads inside operators
  int64_t images = 0;                // run for the throughput
  int rounds = 0;
  double spread = 0.0;               // (slowest - fastest round) / median round
  double peak_memory_mb = 0.0;       // resident, up to the end of the throughput rounds
  double arena_mb = 0.0;             // activations of one worker
  size_t steps = 0;
  std::vector<std::string> reference_nodes;  // without a fast kernel
  // With BenchConfig::profile: slowest step first, one image on one thread.
  std::vector<exec::StepTime> step_times;
  // Thread count -> GFLOP/s of a bare multiply-add loop on so many threads at once: a busy machine shows here.
  std::map<int, double> fma_gflops;
};

// Throws Error as load_model and apply_encodings do.
[[nodiscard]] BenchSummary bench(const BenchConfig& config, Reporter& reporter);

}  // namespace qtool::pipeline
