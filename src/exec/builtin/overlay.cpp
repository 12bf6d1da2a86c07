// Concat over a tensor that already holds the largest part in its place (movement_patterns.h): writes the other parts.
#include <algorithm>
#include <cstring>

#include "qtool/exec/registry.h"
#include "step_names.h"

namespace qtool::exec {

namespace {

struct Column {
  int64_t run, offset;  // floats of a row, and where they begin
};

// Inputs: the whole tensor, then the parts but the one that is in place; attribute `part` is the slot of that one.
std::optional<KernelChoice> overlay(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Shape& shape = request.output_shape();
  const size_t axis = shape.normalize_axis(request.node.attr_int("axis", 1));
  const int64_t inner = shape.span_count(axis + 1, shape.rank());
  const auto in_place = static_cast<size_t>(request.node.attr_int("part", 0));
  int64_t kept = shape[axis];
  for (size_t i = 1; i < request.node.inputs.size(); ++i) kept -= request.input_shape(i)[axis];
  std::vector<Column> columns;
  int64_t offset = 0;
  for (size_t i = 1; i < request.node.inputs.size(); ++i) {
    if (i == in_place + 1) offset += kept * inner;
    columns.push_back({request.input_shape(i)[axis] * inner, offset});
    offset += columns.back().run;
  }
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.output_layouts = {Layout{}};
  choice.in_place_input = 0;
  choice.kernel = make_kernel([columns, rows = shape.span_count(0, axis), stride = shape[axis] * inner](const KernelArgs& args) {
    auto* target = static_cast<float*>(args.out[0]);
    if (args.in[0] != args.out[0]) std::memcpy(target, args.in[0], static_cast<size_t>(rows * stride) * sizeof(float));
    for (int64_t row = 0; row < rows; ++row, target += stride) {
      for (size_t i = 0; i < columns.size(); ++i) {
        std::copy_n(static_cast<const float*>(args.in[i + 1]) + row * columns[i].run, columns[i].run, target + columns[i].offset);
      }
    }
  });
  return choice;
}

}  // namespace

void register_overlay(Registry& registry) { registry.add(kOverlayStep, overlay); }

}  // namespace qtool::exec
