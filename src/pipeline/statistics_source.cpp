#include "statistics_source.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

std::vector<std::string> input_lines(const ir::Graph& graph) {
  std::vector<std::string> lines;
  for (const data::InputSpec& input : input_specs(graph)) {
    lines.push_back(format("{} {} {}", input.name, dtype_name(input.type.dtype), input.type.shape.text()));
  }
  return lines;
}

}  // namespace

StatisticsFile describe_statistics(const LoadedModel& model, const CalibrationData& data) {
  return {.model_sha256 = model.sha256,
          .inputs = input_lines(model.state.graph),
          .preprocessing_line = data.preprocessing_line,
          .preprocessing_json = data.preprocessing_json,
          .total_samples = data.source->size()};
}

CalibrationData data_from_statistics(std::shared_ptr<const StatisticsFile> file, const std::filesystem::path& path, const LoadedModel& model) {
  const auto refuse = [&](const std::string& what) { throw Error(ErrorCode::kInvalidData, what).with("file", path.string()); };
  if (file->model_sha256 != model.sha256) {
    refuse(format("the statistics are of another model (sha256 {:.12}..., this one has {:.12}...); calibrate this model", file->model_sha256, model.sha256));
  }
  if (const auto inputs = input_lines(model.state.graph); inputs != file->inputs) {
    refuse(format("the statistics are of inputs {}, the model is settled to {}; use the same --input-shape", join(file->inputs, ", "), join(inputs, ", ")));
  }
  if (!file->complete()) {
    refuse(format("the statistics count {} of {} samples; join the shards with `qtool merge-stats` first", file->sample_sha256.size(), file->total_samples));
  }
  CalibrationData data{.preprocessing_line = file->preprocessing_line, .preprocessing_json = file->preprocessing_json, .sha256 = file->data_sha256()};
  data.statistics = std::move(file);
  return data;
}

calib::CalibrationResult statistics_of(const StatisticsFile& file, const ir::Graph& graph, const std::vector<ir::ValueId>& observed) {
  calib::CalibrationResult result{.samples = static_cast<int64_t>(file.sample_sha256.size())};
  std::map<std::string_view, const calib::TensorStatistics*> by_name;
  for (const auto& [name, statistics] : file.tensors) by_name[name] = &statistics;
  for (const ir::ValueId id : observed) {
    const auto found = by_name.find(graph.value(id).name);
    if (found == by_name.end()) {
      throw Error(ErrorCode::kInvalidData, "the statistics file does not hold this tensor; calibrate again with this build and the same --unroll-recurrent")
          .with("tensor", graph.value(id).name);
    }
    result.statistics[id] = *found->second;
  }
  return result;
}

}  // namespace qtool::pipeline
