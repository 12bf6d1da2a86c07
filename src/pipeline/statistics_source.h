// A statistics file in the place of calibration images.
#pragma once

#include "calibration_data.h"
#include "qtool/calib/calibrator.h"
#include "qtool/pipeline/statistics_file.h"

namespace qtool::pipeline {

// Model, inputs and preprocessing; samples and tensors left to the caller.
[[nodiscard]] StatisticsFile describe_statistics(const LoadedModel& model, const CalibrationData& data);

// Data without samples, for reports. Throws Error(kInvalidData) when the file is of another model or input shape, or is one
// shard of several.
[[nodiscard]] CalibrationData data_from_statistics(std::shared_ptr<const StatisticsFile> file, const std::filesystem::path& path,
                                                   const LoadedModel& model);

// Of the observed values. Throws Error(kInvalidData) naming a tensor that the file does not know.
[[nodiscard]] calib::CalibrationResult statistics_of(const StatisticsFile& file, const ir::Graph& graph, const std::vector<ir::ValueId>& observed);

}  // namespace qtool::pipeline
