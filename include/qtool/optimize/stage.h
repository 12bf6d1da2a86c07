// A stage: one step that makes a model lose less when it is quantized. Stages are chosen by name and run in the tool's order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "qtool/model/model_state.h"
#include "qtool/model/target_profile.h"
#include "qtool/optimize/statistics.h"
#include "qtool/rounding/adaround.h"
#include "qtool/support/reporter.h"

namespace qtool::optimize {

// What a stage changes. Copies are cheap: tensors are shared until they are written.
struct Candidate {
  model::ModelState state;
  Statistics statistics;  // of the float function; a stage that rescales channels rescales these
};

// How near the simulation of a candidate is to the original float model on samples kept aside.
struct Score {
  double sqnr_db = 0.0;  // of all output blocks together, each weighing the same
  struct Block {
    std::string name;    // "output" or "output[small rows]" where rows of very different magnitude share a tensor
    double sqnr_db = 0.0;
  };
  std::vector<Block> blocks;
  std::optional<double> agreement;  // same top-1 as float, 0..1, for outputs of the form [1, classes]
};

enum class Relu6Policy : uint8_t { kAuto, kKeep, kReplace };

struct StageContext {
  const model::TargetProfile& profile;
  Relu6Policy relu6 = Relu6Policy::kAuto;
  int threads = 1;
  bool has_samples = true;  // false: data-free
  const data::SampleSource* samples = nullptr;  // all calibration samples; null: data-free
  const data::SampleSource* fitting = nullptr;  // those that no score comes from; null: data-free
  bool correction_follows = false;              // of biases: it takes back the mean of what a changed float function adds
  bool rounding_follows = false;                // weights will not go to their nearest levels
  rounding::AdaroundOptions adaround = {};
  // Largest |difference| of an output from the original float model over that output's largest |value|, on samples.
  std::function<double(const ir::Graph&)> float_difference;
  // One a candidate; none when there are no samples to judge by. Ranges come from a few samples: good for comparisons.
  std::function<std::vector<Score>(std::span<const Candidate* const>)> scores;
  Reporter& reporter;
};

// A function-preserving stage is rolled back when outputs move by more than this, relative to the largest one.
inline constexpr double kFloatTolerance = 1e-4;
// What a changed float function must gain, in dB: it is judged on a few samples only.
inline constexpr double kGainOfAnotherFunction = 0.5;

struct StageOutcome {
  int64_t changes = 0;                                     // 0: the candidate is as it was
  std::vector<std::pair<std::string, int64_t>> counts;     // what was found, for the report
  std::vector<std::string> notes;
  std::vector<std::string> details;                        // one line a layer, for report.json only
  bool changes_function = false;                           // on purpose: only the score decides
  std::optional<Score> score;                              // what StageContext::score said of the candidate as it is left
};

enum class StageKind : uint8_t {
  kPreserving,  // the float function stays; runs before encodings exist
  kCorrecting,  // changes parameters to make up for the rounding that state.encodings will do
};

struct Stage {
  std::string name;
  std::string summary;                  // one line
  int order = 0;                        // ascending, preserving stages first
  StageKind kind = StageKind::kPreserving;
  std::vector<std::string> part_of;     // names that bring this stage along; "*" is any
  double least_gain_db = 0.05;          // a gain below this is noise of the few samples it is measured on
  int least_bias_bits = 0;              // with narrower biases the stage is warned about, and its cost measured
  bool rounds = false;                  // chooses levels other than the nearest
  bool preview = false;                 // cheap enough to be applied whenever an earlier stage is judged
  std::function<StageOutcome(Candidate&, const StageContext&)> apply;
};

}  // namespace qtool::optimize
