// Sliding windows over two spatial axes. Operands with one spatial axis become images of height 1.
#pragma once

#include <string>
#include <vector>

#include "dlc/node_lowering.h"
#include "qtool/ops/window.h"

namespace qtool::exporters::dlc {

struct SpatialWindow {
  std::vector<uint32_t> kernel;    // [2]
  std::vector<uint32_t> stride;
  std::vector<uint32_t> dilation;
  std::vector<uint32_t> pads;      // top, bottom, left, right
};
// Refuses more than two spatial axes and negative pads.
[[nodiscard]] SpatialWindow spatial_window(const NodeLowering& n, const ops::WindowParams& params);

// Operand 0 as [batch, height, width, channels] in the node's arithmetic. Refuses ranks other than 3 and 4.
[[nodiscard]] std::string read_image(NodeLowering& n);
// The op that computes [batch, height, width, channels], to be given to emit_image(), which writes output 0 from it.
[[nodiscard]] OpDraft image_op(NodeLowering& n, std::string type, std::vector<std::string> inputs);
void emit_image(NodeLowering& n, OpDraft draft);

}  // namespace qtool::exporters::dlc
