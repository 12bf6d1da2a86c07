#include "tensor_diagnosis.h"

#include <algorithm>
#include <cmath>

#include "qtool/ops/registry.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"
#include "weight_channels.h"

namespace qtool::pipeline {

namespace {

// Rules of thumb. 32 levels separate the detector heads that die on a shared grid (below 1) from those that do not (above
// 36); the others only decide what is worth a sentence.
constexpr double kClashLevels = 32.0;    // an input of a Concat with fewer levels than this is hurt
constexpr double kOutlierShare = 0.001;  // of the values
constexpr double kOutlierReach = 4.0;    // how many times wider they make the range
constexpr double kFewLevels = 6.0;       // levels inside one standard deviation on either side
constexpr double kUnequal = 8.0;         // widest channel over the median one

using Found = std::optional<Diagnosis>;

double width_of(const quant::Encoding& grid) { return grid.max() - grid.min(); }

// A Concat joins values of different size: the small ones keep the share of the levels that their range has.
Found range_clash(const model::ModelState& state, ir::ValueId id, const quant::Encoding& grid) {
  const ir::NodeId producer = state.graph.producer(id);
  if (producer == ir::kNoNode) return std::nullopt;
  const ir::Node& node = state.graph.node(producer);
  const ops::OpDef* op = ops::builtin_registry().find(node.domain, node.op_type);
  if (op == nullptr || op->traits.flow != ops::ValueFlow::kJoinsInputs) return std::nullopt;
  ir::ValueId smallest = ir::kNoValue, largest = ir::kNoValue;
  double least = 1e300, most = 0.0;
  for (const ir::ValueId input : node.inputs) {
    const quant::Encoding* own = model::find_encoding(state.encodings, input);
    if (own == nullptr || own->per_channel()) continue;
    if (const double width = width_of(*own); width < least) least = width, smallest = input;
    if (const double width = width_of(*own); width > most) most = width, largest = input;
  }
  const double levels = least / grid.grids[0].scale;
  if (smallest == ir::kNoValue || smallest == largest || levels >= kClashLevels) return std::nullopt;
  return Diagnosis{.kind = "range clash",
                   .cause = format("Joins '{}' (range {:.4g}) with '{}' (range {:.4g}) on one grid of step {:.3g}: the smaller one keeps {:.1f} "
                                   "levels{}.", state.graph.value(largest).name, most, state.graph.value(smallest).name, least, grid.grids[0].scale,
                                   levels, levels < 1.0 ? " and becomes zero" : ""),
                   .option = grid.bits < 16 ? format("--float '{}'", node.name) : "",
                   .severity = kClashLevels / std::max(levels, 0.05)};
}

// Bounds that hold all but `share` of the counts, cut evenly on both sides.
quant::Range central_range(const quant::Histogram& histogram, double share) {
  const double cut = share / 2.0 * static_cast<double>(histogram.finite_count());
  const auto& counts = histogram.counts();
  const auto edge = [&](size_t bin) { return static_cast<double>(histogram.first_bin() + static_cast<int64_t>(bin)) * histogram.bin_width(); };
  quant::Range range = histogram.range();
  double seen = 0.0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if ((seen += static_cast<double>(counts[i])) > cut) {
      range.lo = std::max(range.lo, edge(i));
      break;
    }
  }
  seen = 0.0;
  for (size_t i = counts.size(); i-- > 0;) {
    if ((seen += static_cast<double>(counts[i])) > cut) {
      range.hi = std::min(range.hi, edge(i + 1));
      break;
    }
  }
  return range;
}

double deviation(const quant::Histogram& histogram) {
  double sum = 0.0, squares = 0.0;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    const double x = (static_cast<double>(histogram.first_bin() + static_cast<int64_t>(i)) + 0.5) * histogram.bin_width();
    sum += x * static_cast<double>(histogram.counts()[i]);
    squares += x * x * static_cast<double>(histogram.counts()[i]);
  }
  const double n = static_cast<double>(histogram.finite_count()), mean = sum / n;
  return std::sqrt(std::max(0.0, squares / n - mean * mean));
}

// Nearly all are 0 and the few others are the answer: their range is right as it is, and cutting it would cost the scores.
bool holds_probabilities(const model::ModelState& state, ir::ValueId id) {
  const ir::NodeId producer = state.graph.producer(id);
  if (producer == ir::kNoNode) return false;
  const std::string& op = state.graph.node(producer).op_type;
  return op == "Sigmoid" || op == "Softmax";
}

Found outliers(const quant::Histogram& histogram, const quant::Encoding& grid) {
  const quant::Range central = central_range(histogram, kOutlierShare);
  const double inner = std::max(0.0, central.hi) - std::min(0.0, central.lo);
  const double reach = inner > 0.0 ? width_of(grid) / inner : 0.0;
  if (reach < kOutlierReach) return std::nullopt;
  return Diagnosis{.kind = "outliers",
                   .cause = format("99.9 % of the values lie in [{:.4g}, {:.4g}]; a few outliers stretch the grid to [{:.4g}, {:.4g}], {:.1f} times as "
                                   "wide, and the step with it.", central.lo, central.hi, grid.min(), grid.max(), reach),
                   .option = grid.bits < 16 ? "--act_quantizer_calibration mse" : "",
                   .severity = reach / kOutlierReach};
}

Found few_levels(const quant::Histogram& histogram, const quant::Encoding& grid) {
  const double levels = 2.0 * deviation(histogram) / grid.grids[0].scale;
  if (levels >= kFewLevels || levels <= 0.0) return std::nullopt;
  return Diagnosis{.kind = "few levels",
                   .cause = format("Most values share {:.1f} of the {} levels (step {:.3g}): the range is set by few large values.", levels,
                                   grid.level_count() + 1, grid.grids[0].scale),
                   .option = "--act_bitwidth 16",
                   .severity = kFewLevels / levels};
}

Found unequal_channels(const model::ModelState& state, ir::ValueId id, const quant::Encoding& grid) {
  const auto axis = weight_channel_axis(state.graph, id);
  if (!axis || grid.per_channel()) return std::nullopt;
  std::vector<double> reach;
  for (const quant::Range& range : quant::tensor_ranges(*state.graph.constant(id), *axis)) {
    if (const double r = std::max(std::abs(range.lo), std::abs(range.hi)); r > 0.0) reach.push_back(r);
  }
  if (reach.size() < 2) return std::nullopt;
  std::sort(reach.begin(), reach.end());
  const double median = reach[reach.size() / 2], ratio = reach.back() / median;
  if (ratio < kUnequal) return std::nullopt;
  return Diagnosis{.kind = "unequal channels",
                   .cause = format("The widest output channel reaches {:.3g}, the median one {:.3g}: one grid for the tensor leaves the median channel {:.0f} "
                                   "levels.", reach.back(), median, 2.0 * median / grid.grids[0].scale),
                   .option = "--use_per_channel_quantization",
                   .severity = ratio / kUnequal};
}

}  // namespace

Found diagnose_tensor(const model::ModelState& state, const calib::TensorStatistics* statistics, ir::ValueId id) {
  const quant::Encoding* grid = model::find_encoding(state.encodings, id);
  if (grid == nullptr || grid->grids.empty()) return std::nullopt;
  if (state.graph.is_constant(id)) return unequal_channels(state, id, *grid);
  Found found = range_clash(state, id, *grid);
  if (found || statistics == nullptr || !statistics->histogram || statistics->histogram->counts().empty()) return found;
  if (holds_probabilities(state, id)) return std::nullopt;
  found = outliers(*statistics->histogram, *grid);
  return found ? found : few_levels(*statistics->histogram, *grid);
}

}  // namespace qtool::pipeline
