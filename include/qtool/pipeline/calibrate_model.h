// `qtool calibrate` and `qtool merge-stats`: statistics of every activation as a file, in one run or by shards.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "qtool/pipeline/quantize.h"

namespace qtool::pipeline {

struct CalibrateConfig {
  ModelOptions model;
  DataOptions data;
  std::filesystem::path output;   // the statistics file
  int64_t shard = 1, shards = 1;  // samples shard, shard + shards, ... counted from 1
  int threads = 1;
};

struct CalibrateSummary {
  int64_t samples = 0;            // counted
  int64_t total_samples = 0;      // of the data set
  size_t tensors = 0;
  size_t size_bytes = 0;
  std::string preprocessing;
  double seconds = 0.0;
};

// Every float activation is observed, so the file serves any profile; layers with weights get per-channel statistics of
// their inputs and outputs too.
[[nodiscard]] CalibrateSummary calibrate_model(const CalibrateConfig& config, Reporter& reporter);

[[nodiscard]] CalibrateSummary merge_statistics_files(const std::vector<std::filesystem::path>& inputs, const std::filesystem::path& output);

// "2/4" -> {2, 4}; throws Error(kUsage).
[[nodiscard]] std::pair<int64_t, int64_t> parse_shard(const std::string& text);

}  // namespace qtool::pipeline
