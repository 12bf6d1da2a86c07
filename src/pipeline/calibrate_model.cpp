#include "qtool/pipeline/calibrate_model.h"

#include <charconv>
#include <chrono>

#include "calibration_data.h"
#include "qtool/calib/calibrator.h"
#include "qtool/data/subset_source.h"
#include "qtool/ops/registry.h"
#include "qtool/pipeline/statistics_file.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "quantized_model.h"
#include "statistics_source.h"

namespace qtool::pipeline {

namespace {

std::vector<ir::ValueId> float_activations(const ir::Graph& graph) {
  std::vector<ir::ValueId> values;
  for (const ir::ValueId id : graph.value_ids()) {
    const ir::Value& value = graph.value(id);
    if (!value.constant && value.type && value.type->dtype == DType::kFloat32) values.push_back(id);
  }
  return values;
}

// Inputs and outputs of layers with weights, and where their channels are.
std::map<ir::ValueId, int> channel_axes(const ir::Graph& graph, const std::vector<ir::ValueId>& observed) {
  std::map<ir::ValueId, int> axes;
  const std::set<ir::ValueId> known(observed.begin(), observed.end());
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    const ops::OpDef* def = ops::builtin_registry().find(node.domain, node.op_type);
    if (def == nullptr || def->traits.weight_input < 0) continue;
    const auto weight = static_cast<size_t>(def->traits.weight_input);
    if (weight >= node.inputs.size() || !graph.is_constant(node.inputs[weight])) continue;
    for (const ir::ValueId value : {node.inputs[0], node.outputs[0]}) {
      if (!known.contains(value)) continue;
      const auto rank = static_cast<int>(graph.type_of(value).shape.rank());
      if (rank < 2) continue;
      const bool product = node.op_type == "MatMul" || node.op_type == "Gemm";
      axes[value] = product ? rank - 1 : 1;
    }
  }
  return axes;
}

std::vector<int64_t> shard_indices(const CalibrateConfig& config, int64_t total) {
  std::vector<int64_t> indices;
  for (int64_t i = config.shard - 1; i < total; i += config.shards) indices.push_back(i);
  if (indices.empty()) {
    throw Error(ErrorCode::kUsage, format("--shard {}/{}: there are {} samples only", config.shard, config.shards, total));
  }
  return indices;
}

void write_file(const StatisticsFile& file, const std::filesystem::path& path, CalibrateSummary& summary) {
  const std::string text = write_statistics(file);
  write_file_atomically(path, std::as_bytes(std::span(text)));
  summary.samples = static_cast<int64_t>(file.sample_sha256.size());
  summary.total_samples = file.total_samples;
  summary.tensors = file.tensors.size();
  summary.size_bytes = text.size();
  summary.preprocessing = file.preprocessing_line;
}

}  // namespace

std::pair<int64_t, int64_t> parse_shard(const std::string& text) {
  int64_t shard = 0, shards = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, shards) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || shard < 1 || shards < shard) {
    throw Error(ErrorCode::kUsage, format("--shard {}: expected K/N with 1 <= K <= N, for example 1/4", text));
  }
  return {shard, shards};
}

CalibrateSummary calibrate_model(const CalibrateConfig& config, Reporter& reporter) {
  const auto start = std::chrono::steady_clock::now();
  ModelOptions options = config.model;
  options.for_container = true;  // as `quantize` does unless told otherwise: tensors must be the same
  const LoadedModel model = load_model(options, reporter);
  refuse_quantized_model(model, config.model.path);
  const ir::Graph& graph = model.state.graph;
  const CalibrationData data = open_calibration_data(config.data, graph, config.threads, reporter);
  const std::vector<int64_t> indices = shard_indices(config, data.source->size());
  const auto shard = data::subset_of(*data.source, indices);
  const std::vector<ir::ValueId> observed = float_activations(graph);
  const calib::CalibrationResult result = calib::calibrate(
      graph, observed, *shard, {.threads = config.threads, .histograms = true, .channel_axes = channel_axes(graph, observed)}, reporter);

  StatisticsFile file = describe_statistics(model, data);
  for (const int64_t index : indices) file.sample_sha256[index] = data.sample_sha256[static_cast<size_t>(index)];
  for (const ir::ValueId id : observed) file.tensors.emplace_back(graph.value(id).name, result.statistics.at(id));
  CalibrateSummary summary;
  write_file(file, config.output, summary);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

CalibrateSummary merge_statistics_files(const std::vector<std::filesystem::path>& inputs, const std::filesystem::path& output) {
  const auto start = std::chrono::steady_clock::now();
  CalibrateSummary summary;
  write_file(merge_statistics(inputs), output, summary);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace qtool::pipeline
