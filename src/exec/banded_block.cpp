#include "banded_block.h"

#include <memory>

#include "band_plan.h"
#include "band_run.h"
#include "qtool/exec/executor.h"
#include "threads.h"

namespace qtool::exec {

// Measured with AVX-512: between as fast and 1.4 times as fast on every block of MobileNetV2 (also dilated), EfficientNet-Lite,
// SSDLite and YOLOX. With AVX2, whose register kernel is no better than oneDNN's, 0.98 to 1.12 on maps of up to 1 MB and 0.93 to
// 1.05 above.
bool banded_block_pays(const ir::Graph& graph, const BlockChain& chain) {
  constexpr int64_t kWideBlock = 16, kLargestMap = 1 << 20;
  const Shape& wide = graph.type_of(chain.depthwise.conv->inputs[0]).shape;
  return preferred_block() == kWideBlock || wide.span_count(1, wide.rank()) * static_cast<int64_t>(sizeof(float)) <= kLargestMap;
}

KernelChoice banded_block(const ir::Graph& graph, const BlockChain& chain) {
  const auto plan = std::make_shared<const BandPlan>(make_band_plan(graph, chain, float_kernels()));
  KernelChoice choice;
  choice.input_layouts = {Layout{plan->block}};
  choice.output_layouts = {Layout{plan->block}};
  choice.scratch_bytes = static_cast<size_t>(plan->scratch_floats()) * sizeof(float) * static_cast<size_t>(plan->shared ? 1 : intra_threads());
  choice.kernel = make_kernel([plan](const KernelArgs& args) { run_bands(*plan, args); });
  return choice;
}

}  // namespace qtool::exec
