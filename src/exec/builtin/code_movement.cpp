// Data movement on 8-bit codes: Concat, Split, Slice, Transpose, DepthToSpace, Reshape and nearest Resize. Where input and output have
// different grids the bytes go through a table on the way.
#include <algorithm>
#include <cstring>

#include "code_layout.h"
#include "code_tables.h"
#include "cuts.h"
#include "nearest_taps.h"
#include "qtool/exec/registry.h"
#include "qtool/ops/axis_permutation.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

namespace {

// Copies bytes, or puts them on another grid.
class Mover {
 public:
  Mover(const quant::Encoding& from, const quant::Encoding& to) : same_(same_codes(from, to)) {
    if (!same_) table_ = make_table(from, to);
  }
  [[nodiscard]] bool same() const { return same_; }
  void operator()(const uint8_t* source, uint8_t* target, int64_t count) const {
    if (same_) std::memcpy(target, source, static_cast<size_t>(count));
    else simd::code_kernels().lookup(source, target, count, table_.data());
  }
  void rows(const uint8_t* source, int64_t source_stride, uint8_t* target, int64_t target_stride, int64_t rows, int64_t run) const {
    simd::code_kernels().move_rows(source, source_stride, target, target_stride, rows, run, same_ ? nullptr : table_.data());
  }

 private:
  bool same_;
  CodeTable table_{};
};

// One part of an axis as runs of contiguous bytes.
struct Runs {
  int64_t outer, run, stride, offset;
};

Runs part_of(const std::vector<int64_t>& dims, size_t axis, int64_t begin, int64_t size) {
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  return {outer, size * inner, dims[axis] * inner, begin * inner};
}

bool moves_codes(const KernelRequest& request) {
  if (!request.lies_in_codes(0) || request.input_code_grid(0) == nullptr) return false;
  for (size_t i = 0; i < request.node.outputs.size(); ++i) {
    if (request.node.outputs[i] == ir::kNoValue || request.output_code_grid(i) == nullptr) return false;
  }
  return request.output_shape().element_count() > 0;
}

KernelChoice first_input_only(const KernelRequest& request, Layout from, Layout to) {
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.input_layouts[0] = from;
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts.assign(request.node.outputs.size(), to);
  return choice;
}

std::optional<KernelChoice> pieces(const KernelRequest& request, const std::optional<Cuts>& cuts) {
  if (!cuts || !moves_codes(request)) return std::nullopt;
  const Layout layout = request.input_layouts[0];
  const Shape& source = request.input_shape(0);
  const std::vector<int64_t> dims = physical_dims(source, layout);
  const size_t axis = physical_axis(source, layout, cuts->axis);
  std::vector<Runs> parts;
  std::vector<Mover> movers;
  bool views = true;
  for (size_t i = 0; i < cuts->pieces.size(); ++i) {
    parts.push_back(part_of(dims, axis, cuts->pieces[i].begin, cuts->pieces[i].size));
    movers.emplace_back(*request.input_code_grid(0), *request.output_code_grid(i));
    views = views && parts.back().outer == 1 && movers.back().same();
  }
  KernelChoice choice = first_input_only(request, layout, layout);
  if (views) {
    for (const Runs& part : parts) choice.output_views.push_back(KernelChoice::View{0, part.offset});
    return choice;
  }
  choice.kernel = make_kernel([parts, movers](const KernelArgs& args) {
    const auto* x = static_cast<const uint8_t*>(args.in[0]);
    for (size_t i = 0; i < parts.size(); ++i) {
      auto* y = static_cast<uint8_t*>(args.out[i]);
      const Runs& part = parts[i];
      movers[i].rows(x + part.offset, part.stride, y, part.run, part.outer, part.run);
    }
  });
  return choice;
}

std::optional<KernelChoice> split(const KernelRequest& request) { return pieces(request, split_cuts(request)); }
std::optional<KernelChoice> slice(const KernelRequest& request) { return pieces(request, slice_cuts(request)); }

std::optional<KernelChoice> concat(const KernelRequest& request) {
  if (!request.all_float() || request.output_code_grid() == nullptr || request.required_output_layout) return std::nullopt;
  const Shape& shape = request.output_shape();
  const size_t count = request.node.inputs.size();
  bool any_codes = false, any_last = false;
  for (size_t i = 0; i < count; ++i) {
    if (!request.has_input(i) || request.input_code_grid(i) == nullptr || request.constant(i) != nullptr) return std::nullopt;
    any_codes = any_codes || request.lies_in_codes(i);
    any_last = any_last || request.input_layouts[i].storage == Storage::kCodesChannelsLast || request.input_layouts[i].block > 1;
  }
  if (!any_codes || shape.element_count() == 0) return std::nullopt;
  const Layout layout{.storage = any_last ? Storage::kCodesChannelsLast : Storage::kCodes};
  const size_t axis = shape.normalize_axis(request.node.attr_int("axis", 1));
  const std::vector<int64_t> dims = physical_dims(shape, layout);
  std::vector<Runs> parts;
  std::vector<Mover> movers;
  int64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    const int64_t size = request.input_shape(i)[axis];
    parts.push_back(part_of(dims, physical_axis(shape, layout, axis), begin, size));
    movers.emplace_back(*request.input_code_grid(i), *request.output_code_grid());
    begin += size;
  }
  KernelChoice choice;
  choice.input_layouts.assign(count, layout);
  choice.output_layouts = {layout};
  choice.kernel = make_kernel([parts, movers](const KernelArgs& args) {
    auto* y = static_cast<uint8_t*>(args.out[0]);
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto* x = static_cast<const uint8_t*>(args.in[i]);
      const Runs& part = parts[i];
      movers[i].rows(x, part.run, y + part.offset, part.stride, part.outer, part.run);
    }
  });
  return choice;
}

// Element by element in the same order, on the same grid nothing at all.
KernelChoice requantized(const KernelRequest& request, Layout from, Layout to) {
  KernelChoice choice = first_input_only(request, from, to);
  const Mover mover(*request.input_code_grid(0), *request.output_code_grid());
  if (mover.same()) {
    choice.output_views = {KernelChoice::View{0, 0}};
    return choice;
  }
  choice.in_place_input = 0;
  choice.kernel = make_kernel([mover, count = request.output_shape().element_count()](const KernelArgs& args) {
    mover(static_cast<const uint8_t*>(args.in[0]), static_cast<uint8_t*>(args.out[0]), count);
  });
  return choice;
}

std::optional<KernelChoice> reshape(const KernelRequest& request) {
  if (!moves_codes(request) || request.node.outputs.size() != 1) return std::nullopt;
  if (request.output_shape().element_count() != request.input_shape(0).element_count()) return std::nullopt;
  // Identity keeps any order; another shape needs the row-major one, which 1x1 images have either way.
  const Layout order = request.input_layouts[0];
  if (request.output_shape() == request.input_shape(0)) return requantized(request, order, order);
  return requantized(request, {.storage = Storage::kCodes}, {.storage = Storage::kCodes});
}

// Strides of a view that splits axes of `whole`, whose elements lie with `strides`.
std::vector<int64_t> split_strides(const Shape& whole, const std::vector<int64_t>& strides, const Shape& view) {
  std::vector<int64_t> result(view.rank());
  size_t at = view.rank();
  for (size_t axis = whole.rank(); axis-- > 0;) {
    for (int64_t stride = strides[axis], left = whole[axis]; left > 1;) {
      result[--at] = stride;
      stride *= view[at];
      left /= view[at];
    }
  }
  return result;
}

std::optional<KernelChoice> transpose(const KernelRequest& request) {
  if (!moves_codes(request)) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Layout from = request.input_layouts[0], to{.storage = Storage::kCodes};
  const std::vector<int64_t> lying = Shape(physical_dims(source, from)).strides();
  std::vector<int64_t> axis_strides;
  for (size_t axis = 0; axis < source.rank(); ++axis) axis_strides.push_back(lying[physical_axis(source, from, axis)]);
  const AxisPermutation written = *ops::axis_permutation(request.node, source);
  const std::vector<int64_t> view_strides = split_strides(source, axis_strides, written.source);
  std::vector<int64_t> dims, strides;
  for (const int64_t axis : written.perm) {
    const int64_t extent = written.source[static_cast<size_t>(axis)], stride = view_strides[static_cast<size_t>(axis)];
    if (extent == 1) continue;
    if (!dims.empty() && strides.back() == stride * extent) {
      dims.back() *= extent;
      strides.back() = stride;
    } else {
      dims.push_back(extent);
      strides.push_back(stride);
    }
  }
  if (dims.size() <= 1) return requantized(request, from, to);  // nothing moves
  const Mover mover(*request.input_code_grid(0), *request.output_code_grid());
  KernelChoice choice = first_input_only(request, from, to);
  choice.kernel = make_kernel([dims, strides, mover, count = source.element_count()](const KernelArgs& args) {
    auto* y = static_cast<uint8_t*>(args.out[0]);
    permute_bytes(dims, strides, static_cast<const uint8_t*>(args.in[0]), y);
    if (!mover.same()) mover(y, y, count);
  });
  return choice;
}

std::optional<KernelChoice> resize(const KernelRequest& request) {
  if (!moves_codes(request)) return std::nullopt;
  const auto taps = nearest_taps(request);
  if (!taps) return std::nullopt;
  const Shape& source = request.input_shape(0);
  const Shape& target = request.output_shape();
  const Layout layout{.storage = Storage::kCodesChannelsLast};
  const Planes planes{source[0], source[2], source[3], target[2], target[3], source[1]};
  const Mover mover(*request.input_code_grid(0), *request.output_code_grid());
  KernelChoice choice = first_input_only(request, layout, layout);
  choice.kernel = make_kernel([planes, taps = *taps, mover, count = target.element_count()](const KernelArgs& args) {
    auto* y = static_cast<uint8_t*>(args.out[0]);
    copy_nearest(planes, taps, static_cast<const uint8_t*>(args.in[0]), y);
    if (!mover.same()) mover(y, y, count);
  });
  return choice;
}

}  // namespace

void register_code_movement(Registry& registry) {
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}) registry.add_codes(op, reshape);
  registry.add_codes("Split", split);
  registry.add_codes("Slice", slice);
  registry.add_codes("Concat", concat);
  for (const char* op : {"Transpose", "DepthToSpace", "SpaceToDepth"}) registry.add_codes(op, transpose);
  registry.add_codes("Resize", resize);
  registry.add_codes("Upsample", resize);
}

}  // namespace qtool::exec
