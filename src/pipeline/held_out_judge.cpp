#include "held_out_judge.h"

#include <algorithm>

#include "expected_drop.h"
#include "qtool/data/subset_source.h"
#include "qtool/eval/compare.h"
#include "qtool/optimize/cost_model.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

HeldOutJudge::HeldOutJudge(const ir::Graph& floats, const CalibrationData& data, int threads, Reporter& reporter)
    : floats_(floats), threads_(threads),
      aside_(data::subset_of(*data.source, data::split_held_out(data.source->size(), kSamplesAside).held_out)),
      proxy_(floats, *aside_, optimize::affordable_simulations(floats), threads) {
  if (aside_->size() < data.source->size()) return;
  reporter.warning(format("{} calibration samples are too few to keep some aside: candidates are judged on the samples their ranges come from", aside_->size()));
}

OutputFigures HeldOutJudge::figures(const model::ModelState& state, const model::CostRates& rates) const {
  const optimize::OutputNoise noise = proxy_.of(state);
  const auto& blocks = proxy_.measure().blocks();
  OutputFigures figures{.noise_db = optimize::cost_db(noise.cost(blocks))};
  for (size_t b = 0; b < blocks.size(); ++b) figures.blocks.emplace_back(blocks[b].name, noise.sqnr_db(b));
  figures.expected_drop = expected_drop(figures.noise_db);
  figures.cost = optimize::relative_cost(state, rates);
  figures.converts = optimize::model_cost(state, rates).convert_count;
  figures.wide = optimize::wide_tensors(state);
  return figures;
}

std::optional<double> HeldOutJudge::agreement(const model::ModelState& state) const {
  if (floats_.outputs.size() != 1) return std::nullopt;
  const Shape& shape = floats_.type_of(floats_.outputs[0]).shape;
  if (shape.rank() < 2 || shape[1] < 2 || shape.element_count() != shape[1]) return std::nullopt;
  SilentReporter silent;
  const exec::Executor reference(floats_, {}), simulated(state.graph, {.encodings = &state.encodings});
  return eval::compare(reference, simulated, floats_, *aside_, threads_, silent).outputs.at(0).top1_agreement;
}

}  // namespace qtool::pipeline
