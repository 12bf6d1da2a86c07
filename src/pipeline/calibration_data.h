// Opens calibration samples with the preprocessing settled and said aloud.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qtool/data/preprocess_request.h"
#include "qtool/data/sample_source.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/pipeline/statistics_file.h"

namespace qtool::pipeline {

struct CalibrationData {
  std::unique_ptr<data::SampleSource> source;
  std::string preprocessing_line;   // empty when the samples are tensors
  std::string preprocessing_json;
  data::Preprocessing preprocessing;                 // of pictures
  std::vector<std::filesystem::path> first_images;   // files of the first samples, for people to look at; empty for tensors
  std::string sha256;               // of the files' bytes in order
  std::vector<std::string> sample_sha256;                   // by sample of the source
  std::shared_ptr<const StatisticsFile> statistics;         // instead of a source
  std::vector<std::string> skipped; // "name: reason"
  bool synthetic = false;           // made up, see synthetic_data.h
};

// `picture_budget`: bytes of decoded pictures to keep, for several passes over them.
[[nodiscard]] CalibrationData open_calibration_data(const DataOptions& options, const ir::Graph& graph, int threads,
                                                    Reporter& reporter, size_t picture_budget = 0);

// Of all samples, from the hash of each, in order.
[[nodiscard]] std::string hash_of(const std::vector<std::string>& hashes);

// What the options say about pictures.
[[nodiscard]] data::PreprocessingRequest request_of(const DataOptions& options);

// `data` without the samples that data::split_held_out keeps aside when it may take `most`; `data` must outlive the result.
// With most = 0 all samples. Without a source, or with too few samples to divide: all of them.
[[nodiscard]] CalibrationData without_samples_aside(const CalibrationData& data, int64_t most);

// What preprocessing says of an image input before any image is seen: its range, and the mean and deviation of ordinary
// photographs. Empty when the model's inputs are no images.
[[nodiscard]] std::map<std::string, optimize::ChannelMoments> image_input_moments(const DataOptions& options, const ir::Graph& graph,
                                                                                  Reporter& reporter);

}  // namespace qtool::pipeline
