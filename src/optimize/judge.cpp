#include "judge.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/eval/classification.h"
#include "qtool/eval/signal.h"
#include "qtool/exec/executor.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/parallel.h"
#include "samples.h"

namespace qtool::optimize {

namespace {

double largest_magnitude(const Tensor& tensor) {
  double largest = 0.0;
  for (const float v : tensor.data<float>()) {
    if (std::isfinite(v)) largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  return largest;
}

bool looks_like_classes(const Shape& shape) { return shape.rank() >= 2 && shape[1] > 1 && shape.element_count() == shape[1]; }

}  // namespace

Judge::Judge(const ir::Graph& original, const data::SampleSource& samples, int threads) : samples_(samples), threads_(threads) {
  reference_ = run(original, nullptr);
  find_blocks(original);
  recognise_detector(original);
}

Judge::Outputs Judge::run(const ir::Graph& graph, const model::EncodingTable* encodings) const {
  const exec::Executor executor(graph, {.encodings = encodings});
  const int64_t count = samples_.size();
  std::vector<std::optional<exec::Session>> sessions(static_cast<size_t>(std::max(threads_, 1)));
  Outputs outputs(static_cast<size_t>(count));
  parallel_for(count, threads_, [&](int64_t index, int worker) {
    auto& session = sessions[static_cast<size_t>(worker)];
    if (!session) session.emplace(executor.new_session());
    std::vector<Tensor> result = session->run(sample_inputs(graph, samples_, index));
    for (Tensor& tensor : result) {
      if (tensor.dtype() != DType::kFloat32) tensor = tensor.cast(DType::kFloat32);
    }
    outputs[static_cast<size_t>(index)] = std::move(result);
  });
  return outputs;
}

void Judge::find_blocks(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::ValueId id : graph.outputs) names.push_back(graph.value(id).name);
  blocks_ = eval::find_output_blocks(names, reference_);
  classifier_ = graph.outputs.size() == 1 && looks_like_classes(reference_[0][0].shape());
}

void Judge::recognise_detector(const ir::Graph& graph) {
  OutputMeasure measure(graph, reference_[0]);
  if (!measure.is_detector()) return;
  for (const std::vector<Tensor>& outputs : reference_) detections_.push_back(measure.reference(outputs));
  detector_.emplace(std::move(measure));
}

Score Judge::detector_score(const Outputs& outputs) const {
  OutputNoise noise;
  for (size_t s = 0; s < outputs.size(); ++s) noise.add(detections_[s].signal, detector_->noise(detections_[s], outputs[s]));
  const auto& blocks = detector_->blocks();
  Score score{.sqnr_db = cost_db(noise.cost(blocks))};
  for (size_t b = 0; b < blocks.size(); ++b) score.blocks.push_back({blocks[b].name, noise.sqnr_db(b)});
  return score;
}

Score Judge::score(const model::ModelState& candidate) const {
  const Outputs outputs = run(candidate.graph, &candidate.encodings);
  if (detector_) return detector_score(outputs);
  Score score;
  double noise_share = 0.0;
  for (const eval::OutputBlock& block : blocks_) {
    double signal = 0.0, noise = 0.0;
    for (size_t s = 0; s < outputs.size(); ++s) {
      const Tensor &reference = reference_[s][block.output], &test = outputs[s][block.output];
      if (reference.shape() != test.shape()) continue;  // a number of detections that depends on data
      const auto r = reference.data<float>(), t = test.data<float>();
      quant::for_each_channel_element(reference.shape(), block.axis, [&](int64_t i, int64_t row) {
        if (block.axis >= 0 && !block.rows[static_cast<size_t>(row)]) return;
        const double want = r[static_cast<size_t>(i)], error = want - t[static_cast<size_t>(i)];
        if (!std::isfinite(want) || !std::isfinite(error)) return;
        signal += want * want;
        noise += error * error;
      });
    }
    score.blocks.push_back({block.name, quant::sqnr_db(signal, noise)});
    noise_share += signal > 0.0 ? noise / signal : (noise > 0.0 ? 1.0 : 0.0);
  }
  score.sqnr_db = quant::sqnr_db(static_cast<double>(blocks_.size()), noise_share);
  if (classifier_) {
    int64_t same = 0;
    for (size_t s = 0; s < outputs.size(); ++s) {
      same += eval::best_classes(reference_[s][0].to_float(), 1) == eval::best_classes(outputs[s][0].to_float(), 1);
    }
    score.agreement = static_cast<double>(same) / static_cast<double>(outputs.size());
  }
  return score;
}

double Judge::float_difference(const ir::Graph& candidate) const {
  const Outputs outputs = run(candidate, nullptr);
  double worst = 0.0;
  for (size_t o = 0; o < candidate.outputs.size(); ++o) {
    double largest = 0.0, difference = 0.0;
    for (size_t s = 0; s < outputs.size(); ++s) {
      const Tensor &reference = reference_[s][o], &test = outputs[s][o];
      if (reference.shape() != test.shape()) return std::numeric_limits<double>::infinity();
      largest = std::max(largest, largest_magnitude(reference));
      const auto r = reference.data<float>(), t = test.data<float>();
      for (size_t i = 0; i < r.size(); ++i) {
        const double d = std::abs(static_cast<double>(r[i]) - t[i]);
        if (std::isnan(d) && !std::isnan(r[i])) return std::numeric_limits<double>::infinity();
        difference = std::max(difference, std::isnan(d) ? 0.0 : d);
      }
    }
    if (largest > 0.0) worst = std::max(worst, difference / largest);
  }
  return worst;
}

}  // namespace qtool::optimize
