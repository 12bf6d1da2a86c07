// The main job: model + images -> encodings JSON, DLC, report.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qtool/data/preprocess_request.h"
#include "qtool/optimize/optimize.h"
#include "qtool/passes/plan_quantization.h"
#include "qtool/pipeline/evaluate_model.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/pipeline/search_record.h"
#include "qtool/quant/encoding.h"
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

struct OverrideOptions {
  std::filesystem::path file;                      // --quantization_overrides: encodings of any kind
  bool ignore = false;                             // --ignore-encodings
  bool allow_unknown = false;                      // names the model does not have are warnings
};

// What --optimizations auto aims at, and how long it may look for it.
struct SearchOptions {
  std::optional<double> target_drop;               // points of the headline metric; empty: a default, and no costly precision
  std::optional<double> target_cost;               // relative to 8 bits everywhere: upper limit, also of "selective"
  std::optional<double> time_budget;               // seconds
  EvaluationRequest evaluation;                    // labelled images given for choosing; empty: the label-free estimate
};

// How far "selective" goes; empty: its defaults (optimize/choose_precision.h).
struct PrecisionLimits {
  std::optional<double> most_cost, least_gain_db;
};

struct QuantizeConfig {
  ModelOptions model;
  DataOptions data;
  std::filesystem::path output = ".";              // empty: only the page is written
  std::filesystem::path html;                      // report as a self-contained page; empty: none
  std::string profile = "dsp";
  std::optional<int> bias_bitwidth, act_bitwidth, weights_bitwidth;
  bool per_channel = false;                        // --use_per_channel_quantization
  bool symmetric_weights = false;                  // --use_symmetric_quantize_weights
  std::string activation_method;                   // empty: see method_of_activations()
  std::string weight_method = "min-max";
  double percentile = 99.99;                       // --percentile_calibration_value
  std::optional<quant::Symmetry> activation_schema, weight_schema;  // --act_quantizer_schema, --param_quantizer_schema
  bool compare_calibration = false;                // tabulate every method
  std::filesystem::path stats;                     // --stats: statistics file instead of data.calib
  std::vector<passes::PrecisionRule> precision;    // --float, --act16, --w4, ...: a later one is stronger
  passes::BlockRule blocks;                        // --weight_block_size, --lpbq
  OverrideOptions overrides;
  std::string min_range;                           // --min-range; empty: that of the profile
  std::string concat_policy;                       // --concat_policy; empty: that of the profile
  bool bias_overflow_guard = true;                 // --no-bias-overflow-guard
  std::string encodings_version = "0.6.1";         // of --emit encodings
  std::vector<std::string> optimizations;          // --optimizations: stages (optimize/registry.h), head, selective, auto
  SearchOptions search;                            // of "auto"
  PrecisionLimits precision_limits;                // of "selective"
  std::vector<std::string> wide_activations;       // --wide-activations: tensors with 16 bits, as a search found them
  std::vector<std::string> wide_weights;           // --wide-weights: the same for weights; their layers must read 16 bits
  bool outputs_min_max = false;                    // --outputs-min-max: last layers and outputs keep min-max under any method
  std::optional<int> keep_aside;                   // --keep-aside: calibration samples that ranges do not see
  std::filesystem::path cost_model;                // --cost-model: rates instead of the profile's
  std::string accept = "auto";                     // --accept: auto, always
  std::string relu6 = "auto";                      // --cle-relu6: auto, keep, replace
  std::string adaround_method = "descent";         // --adaround-method, see rounding/adaround.h
  rounding::AdaroundOptions adaround;              // the rest of it; quantize() sets a checkpoint below `output`
  bool data_free = false;                          // no samples: ranges from folded batch norms, or from synthetic pictures
  std::filesystem::path export_onnx;               // the float model with adapted parameters; empty: not written
  std::vector<std::string> emit = {"encodings", "dlc"};
  bool histograms = false;                         // collect them although the method needs none
  int threads = 1;

  // `model` with what decides whether recurrent nodes are unrolled: whether a DLC is written, and given encodings.
  [[nodiscard]] ModelOptions model_options() const;

  // `optimizations` without those that are no stages: "head" and "selective" choose precision before any stage runs, "auto"
  // searches for a whole recipe.
  [[nodiscard]] std::vector<std::string> stages() const;
  [[nodiscard]] bool selective() const;
  [[nodiscard]] bool chooses_precision() const;    // "head" or "selective"
  [[nodiscard]] bool automatic() const;

  // What was named; else min-max, as other quantizers do, and `best` as soon as samples and --optimizations are there: who
  // asks for accuracy is not served by ranges that outliers set.
  [[nodiscard]] std::string method_of_activations() const;

  // Every problem of the configuration itself in one Error(kUsage).
  void validate() const;
};

// One calibration method on samples kept aside, by simulation.
struct MethodOutcome {
  std::string method;
  double combined_db = 0.0;                                    // of all blocks together; what methods are ordered by
  std::vector<std::pair<std::string, double>> output_sqnr_db;  // by output, or block of it
};

struct QuantizeSummary {
  std::vector<std::string> files;                  // names below config.output
  std::string preprocessing;                       // the resolved description, one line; empty for tensor files
  std::vector<passes::UnrolledNode> unrolled;      // recurrent nodes that became operators of their steps
  int64_t samples = 0;
  size_t activation_encodings = 0, parameter_encodings = 0;
  double weight_sqnr_db = 0.0;                     // of all weights together
  std::string from_file;                           // "N of M tensors from file ..."; empty without overrides
  std::vector<MethodOutcome> methods;              // best first; where methods were compared
  std::vector<std::string> skipped_samples;
  std::vector<optimize::StageRow> stages;          // what the optimizations did; empty without any
  int64_t held_out = 0;                            // samples their scores come from
  std::vector<std::string> advice;                 // what the recommended recipe would change
  std::optional<SearchRecord> search;              // of --optimizations auto
  std::map<std::string, double> seconds;           // by stage, and "total"
};

// Writes `<model>.encodings.json`, `<model>.dlc` and `report.json` into config.output, all or nothing, and then the page.
[[nodiscard]] QuantizeSummary quantize(const QuantizeConfig& config, Reporter& reporter);

// Whether --optimizations takes this name: a stage, "head", "selective" or "auto".
[[nodiscard]] bool is_optimization(const std::string& name);

[[nodiscard]] std::string tool_version();

}  // namespace qtool::pipeline
