#include "qtool/optimize/output_measure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

#include "qtool/eval/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"

namespace qtool::optimize {

namespace {

constexpr double kBoxStrictness = 10.0;     // 20 dB
constexpr size_t kScores = 0, kBoxes = 1;   // blocks of a detector

// The signature asks for the size of the pictures; outputs of detectors hang on it.
std::optional<eval::DetectorSignature> detector_signature(const ir::Graph& graph) {
  if (graph.inputs.size() != 1) return std::nullopt;
  const Shape& input = graph.type_of(graph.inputs[0]).shape;
  if (input.rank() != 4) return std::nullopt;
  eval::DetectorSignature signature;
  for (const ir::ValueId id : graph.outputs) {
    const ir::Value& value = graph.value(id);
    if (!value.type || value.type->dtype != DType::kFloat32) return std::nullopt;
    signature.outputs.push_back({value.name, value.type->shape});
  }
  const bool channels_last = input[3] <= 4 && input[1] > 4;
  signature.input = {.width = static_cast<int>(input[channels_last ? 2 : 3]), .height = static_cast<int>(input[channels_last ? 1 : 2])};
  return signature;
}

const eval::DetectionDecoder* recognised_decoder(const eval::DetectorSignature& signature) {
  try {
    return &eval::builtin_registry().choose("auto", signature);
  } catch (const Error&) {
    return nullptr;
  }
}

double square(double x) { return x * x; }

// Several sums side by side: one would wait for every addition.
double squared_distance(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 8;
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) sums[l] += square(static_cast<double>(a[i + l]) - b[i + l]);
  }
  for (; i < a.size(); ++i) sums[0] += square(static_cast<double>(a[i]) - b[i]);
  return std::accumulate(sums, sums + kLanes, 0.0);
}

}  // namespace

OutputMeasure::OutputMeasure(const ir::Graph& graph, const std::vector<Tensor>& sample_outputs) {
  if (const auto signature = detector_signature(graph)) {
    signature_ = *signature;
    decoder_ = recognised_decoder(signature_);
    // Heads that select for themselves give other boxes for every change: they are compared element by element.
    if (decoder_ != nullptr && decoder_->decode({sample_outputs, signature_, -1.0}).is_final) decoder_ = nullptr;
  }
  if (decoder_ != nullptr) blocks_ = {{.name = "scores"}, {.name = "boxes", .weight = kBoxStrictness}};
  else find_blocks(graph, sample_outputs);
}

void OutputMeasure::find_blocks(const ir::Graph& graph, const std::vector<Tensor>& sample_outputs) {
  std::vector<std::string> names;
  std::vector<Tensor> floats;
  for (size_t i = 0; i < sample_outputs.size(); ++i) {
    if (sample_outputs[i].dtype() != DType::kFloat32) continue;
    output_of_.push_back(i);
    names.push_back(graph.value(graph.outputs[i]).name);
    floats.push_back(sample_outputs[i]);
  }
  parts_ = eval::find_output_blocks(names, {floats});
  for (const eval::OutputBlock& part : parts_) blocks_.push_back({.name = part.name});
}

OutputReference OutputMeasure::reference(std::vector<Tensor> outputs) const {
  OutputReference result{.outputs = std::move(outputs), .proposals = {}, .box_weights = {}, .signal = std::vector<double>(blocks_.size(), 0.0)};
  if (decoder_ != nullptr) {
    result.proposals = decoder_->decode({result.outputs, signature_, -1.0});
    const eval::Proposals& p = result.proposals;
    for (size_t i = 0; i < p.boxes.size(); ++i) {
      const auto first = p.scores.begin() + static_cast<std::ptrdiff_t>(i) * p.class_count;
      const double weight = *std::max_element(first, first + p.class_count);
      const eval::Box& b = p.boxes[i];
      result.box_weights.push_back(weight);
      result.signal[kBoxes] += weight * (square(b.x1) + square(b.y1) + square(b.x2) + square(b.y2));
    }
    for (const float score : p.scores) result.signal[kScores] += square(score);
    result.outputs.clear();
    return result;
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Tensor& output = result.outputs[output_of_[parts_[i].output]];
    result.signal[i] = eval::block_sums(parts_[i], output, output).reference_power;
  }
  return result;
}

std::vector<double> OutputMeasure::noise(const OutputReference& reference, const std::vector<Tensor>& outputs) const {
  std::vector<double> noise(blocks_.size(), 0.0);
  if (decoder_ != nullptr) {
    const eval::Proposals found = decoder_->decode({outputs, signature_, -1.0});
    const eval::Proposals& p = reference.proposals;
    QTOOL_CHECK(found.boxes.size() == p.boxes.size() && found.scores.size() == p.scores.size());
    for (size_t i = 0; i < p.boxes.size(); ++i) {
      const eval::Box &a = p.boxes[i], &b = found.boxes[i];
      noise[kBoxes] += reference.box_weights[i] * (square(a.x1 - b.x1) + square(a.y1 - b.y1) + square(a.x2 - b.x2) + square(a.y2 - b.y2));
    }
    noise[kScores] = squared_distance(p.scores, found.scores);
    return noise;
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    const size_t output = output_of_[parts_[i].output];
    noise[i] = eval::block_sums(parts_[i], reference.outputs[output], outputs[output]).noise_power;
  }
  return noise;
}

void OutputNoise::add(const std::vector<double>& signal_power, const std::vector<double>& noise_power) {
  signal.resize(signal_power.size(), 0.0);
  noise.resize(noise_power.size(), 0.0);
  for (size_t i = 0; i < signal.size(); ++i) {
    signal[i] += signal_power[i];
    noise[i] += noise_power[i];
  }
}

double OutputNoise::cost(const std::vector<OutputBlock>& blocks) const {
  double total = 0.0;
  for (size_t i = 0; i < noise.size(); ++i) {
    if (noise[i] == 0.0) continue;
    if (!std::isfinite(noise[i])) return std::numeric_limits<double>::infinity();
    total += blocks[i].weight * (signal[i] > 0.0 ? std::sqrt(noise[i] / signal[i]) : std::numeric_limits<double>::infinity());
  }
  return total;
}

double OutputNoise::sqnr_db(size_t block) const { return quant::sqnr_db(signal[block], noise[block]); }

double cost_db(double cost) { return cost > 0.0 ? -20.0 * std::log10(cost) : std::numeric_limits<double>::infinity(); }

}  // namespace qtool::optimize
