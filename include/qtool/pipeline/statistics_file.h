// Calibration statistics as a file (docs/statistics.md): made by `qtool calibrate`, joined by `qtool merge-stats`, used by
// `qtool quantize --stats` instead of images.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qtool/calib/statistics.h"

namespace qtool::pipeline {

struct StatisticsFile {
  std::string model_sha256;
  std::vector<std::string> inputs;                 // "input float32 [1, 3, 224, 224]", as settled
  std::string preprocessing_line;                  // empty when the samples are tensors
  std::string preprocessing_json;
  int64_t total_samples = 0;                       // of the whole data set
  std::map<int64_t, std::string> sample_sha256;    // of those counted here, by their number in the data set
  std::vector<std::pair<std::string, calib::TensorStatistics>> tensors;  // in graph order

  [[nodiscard]] bool complete() const { return static_cast<int64_t>(sample_sha256.size()) == total_samples; }
  // As the report of a run on the images has it.
  [[nodiscard]] std::string data_sha256() const;
};

// Equal statistics give equal bytes.
[[nodiscard]] std::string write_statistics(const StatisticsFile& file);

// Throws Error(kIo), or Error(kInvalidData) naming the file and what is wrong with it.
[[nodiscard]] StatisticsFile read_statistics(const std::filesystem::path& path);

// Joins shards of one data set into what one run over all of it would have written, bit for bit. Throws Error(kInvalidData)
// naming the files when they are of different models, preprocessing or data, when they overlap, or when samples are missing.
[[nodiscard]] StatisticsFile merge_statistics(const std::vector<std::filesystem::path>& paths);

}  // namespace qtool::pipeline
