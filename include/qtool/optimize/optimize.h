// Runs the stages over a model and decides, one by one, what is kept.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qtool/calib/calibrator.h"
#include "qtool/data/sample_source.h"
#include "qtool/optimize/registry.h"

namespace qtool::optimize {

// How the caller turns a float model into a quantized one; the stages do not care for methods and overrides.
struct Quantizer {
  std::function<void(model::ModelState&)> plan;
  // Ranges of the planned values.
  std::function<calib::CalibrationResult(const model::ModelState&, const data::SampleSource&)> calibrate;
  std::function<void(model::ModelState&, const calib::CalibrationResult&)> encode;
  // In the place of collect_statistics(), with the same result; may be empty.
  std::function<Statistics(const ir::Graph&, const data::SampleSource&)> collect = {};
};

enum class Accept : uint8_t { kAuto, kAlways };

struct OptimizeOptions {
  std::vector<std::string> stages;  // names; what belongs to them comes along
  Accept accept = Accept::kAuto;    // kAuto: roll back what does not raise the score on samples kept aside
  Relu6Policy relu6 = Relu6Policy::kAuto;
  int threads = 1;
  rounding::AdaroundOptions adaround = {};
  // Data-free: what is known of model inputs, by name, one entry a channel. Others count as standard normal.
  std::map<std::string, ChannelMoments> inputs;
};

struct StageRow {
  std::string stage;
  std::optional<Score> score;              // with this stage applied, kept or not
  std::optional<double> float_difference;  // of a function-preserving stage, relative
  std::string decision;                    // "start", "kept", "rolled back", "nothing to do"
  std::string reason;
  StageOutcome outcome;
  double seconds = 0.0;
};

struct OptimizeResult {
  std::vector<StageRow> rows;
  calib::CalibrationResult calibration;    // of all samples, on the model before any correcting stage
  int64_t held_out = 0;                    // samples the scores come from
};

// `state` becomes the adapted model with encodings. Without samples (data-free) nothing is judged but the float function,
// on synthetic inputs, and ranges come from batch-norm statistics. The same input gives the same bytes whatever the
// thread count, times apart.
[[nodiscard]] OptimizeResult optimize(model::ModelState& state, const Quantizer& quantizer, const data::SampleSource* samples,
                                      const model::TargetProfile& profile, const OptimizeOptions& options, Reporter& reporter);

}  // namespace qtool::optimize
