// One recipe carried out in memory: everything between the loaded model and the written files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration_data.h"
#include "overrides.h"
#include "calibration_stage.h"
#include "qtool/calib/calibrator.h"
#include "qtool/model/target_profile.h"
#include "qtool/passes/compute_encodings.h"
#include "qtool/optimize/choose_precision.h"
#include "qtool/pipeline/quantize.h"
#include "shared_work.h"
#include "stage_clock.h"

namespace qtool::pipeline {

struct QuantizedModel {
  LoadedModel model;                        // with plan and encodings
  model::TargetProfile profile;
  optimize::OptimizeResult optimized;       // stages, and the calibration
  passes::PlanNotes plan_notes;
  optimize::RangeChoices range_choices;     // of the method "auto"
  std::optional<MethodComparison> comparison;
  std::optional<optimize::PrecisionResult> precision;  // of --optimizations selective
  std::optional<SearchRecord> search;       // of --optimizations auto
  std::optional<QuantizeConfig> resolved;   // what the search decided, as options that give this result without a search
  passes::EncodingNotes notes;
  std::optional<OverrideOutcome> overrides; // with --quantization_overrides
  std::vector<std::string> warnings;        // said already
  std::vector<std::string> advice;          // what the recommended recipe would change; said already
};

// The profile of the recipe with its options applied. Throws Error(kUsage) for options that exclude each other.
[[nodiscard]] model::TargetProfile resolved_profile(const QuantizeConfig& config);

// Throws Error(kInvalidModel) for a model that holds quantized operators already.
void refuse_quantized_model(const LoadedModel& model, const std::filesystem::path& path);

// Throw Error(kUsage) with the known words.
[[nodiscard]] optimize::Accept parse_accept(const std::string& text);
[[nodiscard]] optimize::Relu6Policy parse_relu6_policy(const std::string& text);

// `data` without a source: data-free. "auto" among the optimizations starts a search (recipe_search.h). `shared` (may be nullptr) keeps what other recipes on the same model and data need too; it
// changes no byte of the result. Marks the stages "calibrate" and "encodings" on the clock.
[[nodiscard]] QuantizedModel quantize_in_memory(const QuantizeConfig& config, LoadedModel model, const CalibrationData& data,
                                                StageClock& clock, Reporter& reporter, SharedWork* shared = nullptr);

}  // namespace qtool::pipeline
