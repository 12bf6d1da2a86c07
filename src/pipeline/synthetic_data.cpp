#include "synthetic_data.h"

#include <algorithm>

#include "qtool/data/synthetic_images.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

constexpr int64_t kPictures = 96;
constexpr int64_t kLargePictures = 48;            // of inputs with more pixels than kLarge
constexpr int64_t kLarge = int64_t{384} * 384;
constexpr std::string_view kGenerator = "qtool synthetic pictures 1";  // changes with what the generator draws

std::optional<data::Preprocessing> picture_preprocessing(const DataOptions& options, const std::vector<data::InputSpec>& inputs) {
  if (inputs.size() != 1 || inputs[0].type.shape.rank() != 4 || inputs[0].type.dtype != DType::kFloat32) return std::nullopt;
  try {
    return data::resolve_preprocessing(request_of(options), inputs[0].type.shape);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported) return std::nullopt;  // not the shape of a picture
    throw;
  }
}

}  // namespace

bool wants_synthetic_images(const model::ModelState& state, const DataOptions& options) {
  if (!picture_preprocessing(options, input_specs(state.graph))) return false;
  size_t convolutions = 0, known = 0;
  for (const ir::NodeId id : state.graph.topological_order()) {
    const ir::Node& node = state.graph.node(id);
    if (node.op_type != "Conv" && node.op_type != "ConvTranspose") continue;
    ++convolutions;
    known += state.folded_batch_norms.contains(node.outputs[0]);
  }
  return 2 * known < std::max<size_t>(convolutions, 1);
}

CalibrationData synthetic_calibration_data(const DataOptions& options, const ir::Graph& graph, int threads, Reporter& reporter) {
  const std::vector<data::InputSpec> inputs = input_specs(graph);
  const std::optional<data::Preprocessing> preprocessing = picture_preprocessing(options, inputs);
  QTOOL_CHECK(preprocessing.has_value());
  const Shape& shape = inputs[0].type.shape;
  const int64_t count = shape.element_count() / 3 > kLarge ? kLargePictures : kPictures;
  CalibrationData result{.source = data::synthetic_image_source(inputs[0], *preprocessing, count, threads),
                         .preprocessing_line = data::describe(*preprocessing, shape),
                         .preprocessing_json = data::to_json(*preprocessing),
                         .preprocessing = *preprocessing};
  for (int64_t i = 0; i < count; ++i) {
    const std::string name = format("{}, {} of {}", kGenerator, i, count);
    result.sample_sha256.push_back(sha256_hex(std::as_bytes(std::span(name))));
  }
  result.sha256 = hash_of(result.sample_sha256);
  result.synthetic = true;
  reporter.info(format("no samples, and no batch norm statistics in the model: calibrating on {} synthetic pictures, prepared by {}", count,
                       result.preprocessing_line));
  return result;
}

}  // namespace qtool::pipeline
