// DepthToSpace and SpaceToDepth: they copy codes, so the operand is put on the encoding of the result.
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

constexpr uint32_t kDepthFirst = 0;   // DCR
constexpr uint32_t kColumnFirst = 1;  // CRD

void lower_blocks(NodeLowering& n, const char* type) {
  const uint32_t mode = n.node().attr_string("mode", "DCR") == "CRD" ? kColumnFirst : kDepthFirst;
  const AxisOrder order = channels_last(n.shape(0).rank());
  const auto block = static_cast<uint32_t>(n.node().attr_int("blocksize", 1));
  OpDraft draft = n.op(type, {n.read_as(0, order, n.result_form())});
  draft.u32s("block_size", {block, block}).u32("mode", mode);
  n.emit(std::move(draft), order);
}

void lower_depth_to_space(NodeLowering& n) { lower_blocks(n, "DepthToSpace"); }

void lower_space_to_depth(NodeLowering& n) { lower_blocks(n, "SpaceToDepth"); }

}  // namespace

void register_lower_depth_space(LoweringTable& table) {
  table.add("DepthToSpace", {lower_depth_to_space});
  table.add("SpaceToDepth", {lower_space_to_depth});
}

}  // namespace qtool::exporters::dlc
