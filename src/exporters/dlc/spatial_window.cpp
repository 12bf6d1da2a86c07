#include "dlc/spatial_window.h"

#include "qtool/support/format.h"

namespace qtool::exporters::dlc {
namespace {

std::vector<uint32_t> two_axes(const std::vector<int64_t>& values, uint32_t outer) {
  std::vector<uint32_t> result(values.begin(), values.end());
  if (result.size() == 1) result.insert(result.begin(), outer);
  return result;
}

bool has_one_spatial_axis(const NodeLowering& n) { return n.shape(0).rank() == 3; }

std::vector<uint32_t> as_image(std::vector<uint32_t> dims) {
  dims.insert(dims.begin() + 1, 1);
  return dims;
}

}  // namespace

SpatialWindow spatial_window(const NodeLowering& n, const ops::WindowParams& params) {
  if (params.rank() > 2) n.refuse(format("{} spatial axes; one and two are supported", params.rank()));
  SpatialWindow window{two_axes(params.kernel, 1), two_axes(params.strides, 1), two_axes(params.dilations, 1), {}};
  if (params.rank() == 1) window.pads = {0, 0};
  for (size_t axis = 0; axis < params.rank(); ++axis) {
    if (params.pads_begin[axis] < 0 || params.pads_end[axis] < 0) n.refuse("negative pads; put a Slice before the node");
    window.pads.push_back(static_cast<uint32_t>(params.pads_begin[axis]));
    window.pads.push_back(static_cast<uint32_t>(params.pads_end[axis]));
  }
  return window;
}

std::string read_image(NodeLowering& n) {
  const size_t rank = n.shape(0).rank();
  if (rank != 3 && rank != 4) n.refuse(format("{} axes; one or two spatial axes are supported", rank));
  const std::string input = n.read(0, channels_last(rank));
  return rank == 4 ? input : n.writer().reshape(input, as_image(n.writer().tensor(input).dims), ".image");
}

OpDraft image_op(NodeLowering& n, std::string type, std::vector<std::string> inputs) {
  if (!has_one_spatial_axis(n)) return n.op(std::move(type), std::move(inputs));
  return n.helper_op("image", std::move(type), std::move(inputs));
}

void emit_image(NodeLowering& n, OpDraft draft) {
  const AxisOrder order = channels_last(n.shape(0).rank());
  if (!has_one_spatial_axis(n)) return n.emit(std::move(draft), order);
  const std::vector<uint32_t> dims = as_image(stored_dims(n.output_shape(), order));
  n.emit(n.op("Reshape", {n.emit_inner(std::move(draft), dims, n.result_form())}), order);
}

}  // namespace qtool::exporters::dlc
