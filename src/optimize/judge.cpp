#include "judge.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qtool/eval/classification.h"
#include "qtool/eval/signal.h"
#include "qtool/quant/quantize.h"

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
  const GraphRun floats{&original};
  reference_.resize(static_cast<size_t>(samples.size()));
  run({&floats, 1}, [&](size_t, size_t sample, const std::vector<Tensor>& outputs) { reference_[sample] = outputs; });
  find_blocks(original);
  recognise_detector(original);
}

void Judge::run(std::span<const GraphRun> runs, const std::function<void(size_t, size_t, const std::vector<Tensor>&)>& use) const {
  run_graphs(runs, samples_, 0, samples_.size(), threads_, [&](size_t run, int64_t sample, std::vector<Tensor> outputs) {
    for (Tensor& tensor : outputs) {
      if (tensor.dtype() != DType::kFloat32) tensor = tensor.cast(DType::kFloat32);
    }
    use(run, static_cast<size_t>(sample), outputs);
  });
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

Judge::SampleFigures Judge::figures_of(size_t sample, const std::vector<Tensor>& outputs) const {
  SampleFigures figures;
  if (detector_) {
    figures.noise = detector_->noise(detections_[sample], outputs);
    return figures;
  }
  for (const eval::OutputBlock& block : blocks_) {
    const eval::SignalSums sums = eval::block_sums(block, reference_[sample][block.output], outputs[block.output]);
    figures.signal.push_back(sums.reference_power);
    figures.noise.push_back(sums.noise_power);
  }
  if (classifier_) figures.agrees = eval::best_classes(reference_[sample][0].to_float(), 1) == eval::best_classes(outputs[0].to_float(), 1);
  return figures;
}

Score Judge::detector_score(const std::vector<SampleFigures>& samples) const {
  OutputNoise noise;
  for (size_t s = 0; s < samples.size(); ++s) noise.add(detections_[s].signal, samples[s].noise);
  const auto& blocks = detector_->blocks();
  Score score{.sqnr_db = cost_db(noise.cost(blocks))};
  for (size_t b = 0; b < blocks.size(); ++b) score.blocks.push_back({blocks[b].name, noise.sqnr_db(b)});
  return score;
}

Score Judge::score_of(const std::vector<SampleFigures>& samples) const {
  if (detector_) return detector_score(samples);
  Score score;
  double noise_share = 0.0;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    double signal = 0.0, noise = 0.0;
    for (const SampleFigures& sample : samples) {
      signal += sample.signal[b];
      noise += sample.noise[b];
    }
    score.blocks.push_back({blocks_[b].name, quant::sqnr_db(signal, noise)});
    noise_share += signal > 0.0 ? noise / signal : (noise > 0.0 ? 1.0 : 0.0);
  }
  score.sqnr_db = quant::sqnr_db(static_cast<double>(blocks_.size()), noise_share);
  if (classifier_) {
    const auto same = std::count_if(samples.begin(), samples.end(), [](const SampleFigures& sample) { return sample.agrees; });
    score.agreement = static_cast<double>(same) / static_cast<double>(samples.size());
  }
  return score;
}

Score Judge::score(const model::ModelState& candidate) const {
  const model::ModelState* only = &candidate;
  return score_each({&only, 1})[0];
}

std::vector<Score> Judge::score_each(std::span<const model::ModelState* const> candidates) const {
  std::vector<GraphRun> runs;
  for (const model::ModelState* candidate : candidates) runs.push_back({&candidate->graph, &candidate->encodings});
  std::vector<std::vector<SampleFigures>> figures(runs.size(), std::vector<SampleFigures>(reference_.size()));
  run(runs, [&](size_t i, size_t sample, const std::vector<Tensor>& outputs) { figures[i][sample] = figures_of(sample, outputs); });
  std::vector<Score> scores;
  for (const std::vector<SampleFigures>& samples : figures) scores.push_back(score_of(samples));
  return scores;
}

Judge::Deviation Judge::deviation_of(const Tensor& reference, const Tensor& test) {
  if (reference.shape() != test.shape()) return {.difference = std::numeric_limits<double>::infinity()};
  Deviation deviation{.largest = largest_magnitude(reference)};
  const auto r = reference.data<float>(), t = test.data<float>();
  for (size_t i = 0; i < r.size(); ++i) {
    const double d = std::abs(static_cast<double>(r[i]) - t[i]);
    if (std::isnan(d) && !std::isnan(r[i])) return {.difference = std::numeric_limits<double>::infinity()};
    deviation.difference = std::max(deviation.difference, std::isnan(d) ? 0.0 : d);
  }
  return deviation;
}

double Judge::float_difference(const ir::Graph& candidate) const {
  const GraphRun floats{&candidate};
  std::vector<std::vector<Deviation>> by_sample(reference_.size());
  run({&floats, 1}, [&](size_t, size_t sample, const std::vector<Tensor>& outputs) {
    for (size_t o = 0; o < outputs.size(); ++o) by_sample[sample].push_back(deviation_of(reference_[sample][o], outputs[o]));
  });
  double worst = 0.0;
  for (size_t o = 0; o < candidate.outputs.size(); ++o) {
    Deviation all;
    for (const std::vector<Deviation>& sample : by_sample) {
      if (std::isinf(sample[o].difference)) return sample[o].difference;
      all.largest = std::max(all.largest, sample[o].largest);
      all.difference = std::max(all.difference, sample[o].difference);
    }
    if (all.largest > 0.0) worst = std::max(worst, all.difference / all.largest);
  }
  return worst;
}

}  // namespace qtool::optimize
