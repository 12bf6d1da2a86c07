#include "cuts.h"

#include <algorithm>

namespace qtool::exec {

std::optional<Cuts> split_cuts(const KernelRequest& request) {
  Cuts cuts{.axis = request.input_shape(0).normalize_axis(request.node.attr_int("axis", 0))};
  int64_t begin = 0;
  for (const ir::ValueId output : request.node.outputs) {
    if (output == ir::kNoValue) return std::nullopt;
    const int64_t size = request.graph.type_of(output).shape[cuts.axis];
    cuts.pieces.push_back({begin, size});
    begin += size;
  }
  return cuts;
}

std::optional<Cuts> slice_cuts(const KernelRequest& request) {
  if (request.node.opset < 10) return std::nullopt;
  const Tensor* starts = request.constant(1);
  if (starts == nullptr || (request.has_input(3) && request.constant(3) == nullptr) ||
      (request.has_input(4) && request.constant(4) == nullptr)) {
    return std::nullopt;
  }
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  const auto first = starts->to_int64();
  std::vector<int64_t> axes, steps(first.size(), 1);
  for (size_t i = 0; i < first.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (request.has_input(3)) axes = request.constant(3)->to_int64();
  if (request.has_input(4)) steps = request.constant(4)->to_int64();
  std::optional<Cuts> cuts;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = source.normalize_axis(axes[i]);
    if (steps[i] != 1) return std::nullopt;
    if (source[axis] == target[axis]) continue;
    if (cuts) return std::nullopt;
    const int64_t begin = std::clamp<int64_t>(first[i] < 0 ? first[i] + source[axis] : first[i], 0, source[axis]);
    cuts = Cuts{axis, {{begin, target[axis]}}};
  }
  if (!cuts) cuts = Cuts{0, {{0, source.rank() > 0 ? source[0] : 1}}};
  return cuts;
}

}  // namespace qtool::exec
