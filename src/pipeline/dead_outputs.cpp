#include "dead_outputs.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

// Larger outputs are dense maps, where dark rows are ordinary, not detection heads.
constexpr int64_t kLargestHead = int64_t{1} << 22;

// What a 16-bit grid, or one that spans no more than scores do, loses below this no one would call a detection.
constexpr double kNegligibleScore = 0.01;
constexpr double kScoreStep = 1.0 / 254.0;

struct DeadBlock {
  size_t axis = 0;
  int64_t first = 0, count = 0;
  double largest = 0.0;  // float magnitude inside the block
};

// Longest run of indices of `axis` that are all level 0 although some value is not zero.
std::optional<DeadBlock> longest_dead_run(const Tensor& output, const std::vector<int64_t>& levels, size_t axis) {
  const auto values = output.data<float>();
  const auto n = static_cast<size_t>(output.shape()[axis]);
  std::vector<bool> dead(n, true);
  std::vector<double> peak(n, 0.0);
  quant::for_each_channel_element(output.shape(), static_cast<int>(axis), [&](int64_t i, int64_t c) {
    const auto at = static_cast<size_t>(i), row = static_cast<size_t>(c);
    if (levels[at] != 0) dead[row] = false;
    peak[row] = std::max(peak[row], std::abs(static_cast<double>(values[at])));
  });
  DeadBlock best, run;
  for (size_t row = 0; row < n; ++row) {
    const bool silenced = dead[row] && peak[row] > 0.0;
    if (!silenced) {
      run = {};
      continue;
    }
    if (run.count == 0) run = {.axis = axis, .first = static_cast<int64_t>(row)};
    ++run.count;
    run.largest = std::max(run.largest, peak[row]);
    if (run.count > best.count) best = run;
  }
  return best.count > 0 && best.count < static_cast<int64_t>(n) ? std::optional(best) : std::nullopt;
}

}  // namespace

std::vector<std::string> dead_output_warnings(const model::ModelState& state, const std::vector<Tensor>& outputs) {
  std::vector<std::string> warnings;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ir::ValueId id = state.graph.outputs[i];
    const quant::Encoding* grid = model::find_encoding(state.encodings, id);
    if (grid == nullptr || outputs[i].dtype() != DType::kFloat32 || outputs[i].shape().rank() < 2 ||
        outputs[i].element_count() > kLargestHead) {
      continue;
    }
    const std::vector<int64_t> levels = quant::quantize_levels(outputs[i], *grid);
    std::optional<DeadBlock> worst;
    // Only an axis that enumerates quantities (coordinates, classes) is told; with anchors or pixels rows die legally.
    for (size_t axis = 1; axis < outputs[i].shape().rank(); ++axis) {
      if (outputs[i].shape()[axis] > 512) continue;
      const auto run = longest_dead_run(outputs[i], levels, axis);
      if (run && (!worst || run->count > worst->count)) worst = run;
    }
    // A few classes that were hardly seen die legally; a clash of ranges takes a real part of the rows with it.
    if (!worst || worst->count * 20 < outputs[i].shape()[worst->axis]) continue;
    if ((grid->bits > 8 || grid->grids[0].scale <= kScoreStep) && worst->largest < kNegligibleScore) continue;
    warnings.push_back(format("output '{}': {} of {} rows of axis {} (from row {}) are all zero after quantization although the float "
                              "values reach {:.3g}: the grid of [{:.4g}, {:.4g}] has steps of {:.3g}. Boxes and scores that share one "
                              "tensor cannot share 8 bits: use --optimizations selective, --act_bitwidth 16, --split-output, or leave the decode tail in float with --float",
                              state.graph.value(id).name, worst->count, outputs[i].shape()[worst->axis], worst->axis, worst->first,
                              worst->largest, grid->min(), grid->max(), grid->grids[0].scale));
  }
  return warnings;
}

}  // namespace qtool::pipeline
