#include "coarse_outputs.h"

#include <algorithm>
#include <cmath>

#include "qtool/eval/output_blocks.h"
#include "qtool/quant/quantize.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

constexpr double kStepsOfEightBits = 255.0;
constexpr double kWorthTelling = 0.1;  // scores that stay below this on a picture say little of the grid they need

double peak_of(const eval::OutputBlock& block, const Tensor& output) {
  const auto values = output.data<float>();
  double peak = 0.0;
  quant::for_each_channel_element(output.shape(), block.axis, [&](int64_t i, int64_t row) {
    if (block.rows[static_cast<size_t>(row)]) peak = std::max(peak, std::abs(static_cast<double>(values[static_cast<size_t>(i)])));
  });
  return peak;
}

}  // namespace

std::vector<std::string> coarse_output_advice(const model::ModelState& state, const std::vector<Tensor>& outputs) {
  std::vector<std::string> names, advice;
  for (const ir::ValueId id : state.graph.outputs) {
    const quant::Encoding* grid = model::find_encoding(state.encodings, id);
    names.push_back(grid != nullptr && grid->bits > 8 && grid->grids.size() == 1 ? state.graph.value(id).name : std::string());
  }
  if (std::ranges::all_of(names, &std::string::empty)) return advice;
  if (std::ranges::any_of(outputs, [](const Tensor& output) { return output.dtype() != DType::kFloat32; })) return advice;
  for (const eval::OutputBlock& block : eval::find_output_blocks(names, {outputs})) {
    if (names[block.output].empty() || !block.name.ends_with("[small rows]")) continue;
    const quant::Encoding& grid = *model::find_encoding(state.encodings, state.graph.outputs[block.output]);
    const double peak = peak_of(block, outputs[block.output]), steps = peak / grid.grids[0].scale;
    if (peak < kWorthTelling || steps >= kStepsOfEightBits) continue;
    advice.push_back(format("output '{}': its small rows reach {:.2g} in {:.0f} steps of {:.2g}, since {} bits go over [{:.4g}, {:.4g}]: coarser than 8 bits of "
                            "their own. Where tenths of a point count, --split-output {} gives every part a grid",
                            names[block.output], peak, steps, grid.grids[0].scale, grid.bits, grid.min(), grid.max(), names[block.output]));
  }
  return advice;
}

}  // namespace qtool::pipeline
