// The main job: model + images -> encodings JSON, DLC, report.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qtool/data/preprocess_request.h"
#include "qtool/optimize/optimize.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/rounding/adaround.h"
#include "qtool/support/reporter.h"

namespace qtool::pipeline {

struct DataOptions {
  std::filesystem::path calib;                     // folder, list or file
  std::filesystem::path preprocess_file;           // JSON sidecar, may be empty
  data::PreprocessingRequest preprocessing;        // flags; stronger than the sidecar
  bool skip_bad_images = false;
  int64_t limit = 0;                               // first N samples; 0: all
};

struct QuantizeConfig {
  ModelOptions model;
  DataOptions data;
  std::filesystem::path output = ".";
  std::string profile = "dsp";
  std::optional<int> bias_bitwidth, act_bitwidth, weights_bitwidth;
  bool per_channel = false;                        // --use_per_channel_quantization
  bool symmetric_weights = false;                  // --use_symmetric_quantize_weights
  std::string activation_method = "min-max";
  std::string weight_method = "min-max";
  double percentile = 99.99;                       // --percentile_calibration_value
  std::vector<std::string> keep_float;             // --float: node or tensor globs, operator types
  std::vector<std::string> optimizations;          // --optimizations: stages, see optimize/registry.h
  std::string accept = "auto";                     // --accept: auto, always
  std::string relu6 = "auto";                      // --cle-relu6: auto, keep, replace
  std::string adaround_method = "descent";         // --adaround-method, see rounding/adaround.h
  rounding::AdaroundOptions adaround;              // the rest of it; quantize() sets a checkpoint below `output`
  bool data_free = false;                          // no samples: ranges from folded batch norms
  std::filesystem::path export_onnx;               // the float model with adapted parameters; empty: not written
  std::vector<std::string> emit = {"encodings", "dlc"};
  int threads = 1;

  // Every problem of the configuration itself in one Error(kUsage).
  void validate() const;
};

struct QuantizeSummary {
  std::vector<std::string> files;                  // names below config.output
  std::string preprocessing;                       // the resolved description, one line; empty for tensor files
  int64_t samples = 0;
  size_t activation_encodings = 0, parameter_encodings = 0;
  double weight_sqnr_db = 0.0;                     // of all weights together
  std::vector<std::string> skipped_samples;
  std::vector<optimize::StageRow> stages;          // what the optimizations did; empty without any
  int64_t held_out = 0;                            // samples their scores come from
  std::vector<std::string> advice;                 // what the recommended recipe would change
  std::map<std::string, double> seconds;           // by stage, and "total"
};

// Writes `<model>.encodings.json`, `<model>.dlc` and `report.json` into config.output, all or nothing.
[[nodiscard]] QuantizeSummary quantize(const QuantizeConfig& config, Reporter& reporter);

[[nodiscard]] std::string tool_version();

}  // namespace qtool::pipeline
