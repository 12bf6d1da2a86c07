// Reshape-like operators, Split, Slice and Concat: views wherever the data are contiguous, block copies elsewhere.
#include <algorithm>
#include <cstring>

#include "cuts.h"
#include "qtool/exec/registry.h"

namespace qtool::exec {

namespace {

// The same elements under another shape; plain layout only.
std::optional<KernelChoice> reshape(const KernelRequest& request) {
  if (request.output_type().shape.element_count() != request.input_type(0).shape.element_count()) return std::nullopt;
  if (request.output_type().dtype != request.input_type(0).dtype) return std::nullopt;
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts.assign(request.node.outputs.size(), Layout{});
  choice.output_views = {KernelChoice::View{0, 0}};
  return request.node.outputs.size() == 1 ? std::optional(std::move(choice)) : std::nullopt;
}

// One slice [begin, begin + size) of `axis`, as outer runs of contiguous elements.
struct Band {
  int64_t outer, run, source_stride, source_offset;
};

Band plain_band(const Shape& source, size_t axis, int64_t begin, int64_t size) {
  const int64_t inner = source.span_count(axis + 1, source.rank());
  return {source.span_count(0, axis), size * inner, source[axis] * inner, begin * inner};
}

Band blocked_band(const Shape& source, Layout layout, int64_t begin, int64_t size) {
  const int64_t plane = source.span_count(2, source.rank()) * layout.block;
  const int64_t blocks = (source[1] + layout.block - 1) / layout.block;
  const int64_t part = (size + layout.block - 1) / layout.block;
  return {source[0], part * plane, blocks * plane, begin / layout.block * plane};
}

void copy_band(const Band& band, const float* source, float* target) {
  for (int64_t o = 0; o < band.outer; ++o) {
    std::memcpy(target + o * band.run, source + o * band.source_stride + band.source_offset,
                static_cast<size_t>(band.run) * sizeof(float));
  }
}

// Outputs are bands of input 0 along one axis: views when there is a single run, copies otherwise.
std::optional<KernelChoice> bands(const KernelRequest& request, size_t axis, const std::vector<Piece>& pieces) {
  const Shape& source = request.input_shape(0);
  const Layout offered = request.input_layouts[0];
  const bool stays_blocked = !offered.plain() && axis == 1 &&
                             std::all_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
                               const bool to_end = piece.begin + piece.size == source[1];
                               return piece.begin % offered.block == 0 && (piece.size % offered.block == 0 || to_end);
                             });
  const Layout layout = stays_blocked ? offered : Layout{};
  KernelChoice choice;
  choice.input_layouts.assign(request.node.inputs.size(), Layout{});
  choice.input_layouts[0] = layout;
  choice.input_absorbed.assign(request.node.inputs.size(), true);
  choice.input_absorbed[0] = false;
  choice.output_layouts.assign(pieces.size(), layout);
  std::vector<Band> copies;
  for (const Piece& piece : pieces) {
    copies.push_back(stays_blocked ? blocked_band(source, layout, piece.begin, piece.size)
                                   : plain_band(source, axis, piece.begin, piece.size));
    if (copies.back().outer == 1) choice.output_views.push_back(KernelChoice::View{0, copies.back().source_offset});
  }
  if (choice.output_views.size() == pieces.size()) return choice;
  choice.output_views.clear();
  choice.kernel = make_kernel([copies](const KernelArgs& args) {
    for (size_t i = 0; i < copies.size(); ++i) {
      if (args.out[i] != nullptr) {
        copy_band(copies[i], static_cast<const float*>(args.in[0]), static_cast<float*>(args.out[i]));
      }
    }
  });
  return choice;
}

std::optional<KernelChoice> split(const KernelRequest& request) {
  if (request.input_type(0).dtype != DType::kFloat32) return std::nullopt;
  const auto cuts = split_cuts(request);
  return cuts ? bands(request, cuts->axis, cuts->pieces) : std::nullopt;
}

std::optional<KernelChoice> slice(const KernelRequest& request) {
  if (request.input_type(0).dtype != DType::kFloat32) return std::nullopt;
  if (request.input_shape(0) == request.output_shape()) return slice_cuts(request) ? reshape(request) : std::nullopt;
  const auto cuts = slice_cuts(request);
  return cuts ? bands(request, cuts->axis, cuts->pieces) : std::nullopt;
}

std::optional<KernelChoice> concat(const KernelRequest& request) {
  if (!request.all_float()) return std::nullopt;
  const Shape& shape = request.output_shape();
  const size_t axis = shape.normalize_axis(request.node.attr_int("axis", 1));
  const size_t count = request.node.inputs.size();
  bool blockable = axis == 1 && shape.rank() >= 3;
  bool any_blocked = false;
  for (size_t i = 0; i < count; ++i) {
    any_blocked = any_blocked || !request.input_layouts[i].plain();
    if (i + 1 < count && request.input_shape(i)[axis] % request.block != 0) blockable = false;
  }
  Layout layout = blockable && any_blocked ? Layout{request.block} : Layout{};
  if (request.required_output_layout) layout = *request.required_output_layout;

  struct Part {
    int64_t run, offset;
  };
  std::vector<Part> parts;
  const int64_t plane = layout.plain() ? shape.span_count(axis + 1, shape.rank())
                                       : shape.span_count(2, shape.rank()) * layout.block;
  const auto units = [&](int64_t size) { return layout.plain() ? size : (size + layout.block - 1) / layout.block; };
  const int64_t outer = shape.span_count(0, axis);
  const int64_t stride = units(shape[axis]) * plane;
  int64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    const int64_t run = units(request.input_shape(i)[axis]) * plane;
    parts.push_back({run, offset});
    offset += run;
  }
  KernelChoice choice;
  choice.input_layouts.assign(count, layout);
  choice.output_layouts = {layout};
  choice.kernel = make_kernel([parts, outer, stride](const KernelArgs& args) {
    auto* target = static_cast<float*>(args.out[0]);
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto* source = static_cast<const float*>(args.in[i]);
      if (source == target + parts[i].offset) continue;  // the part was written in place
      for (int64_t o = 0; o < outer; ++o) {
        std::memcpy(target + o * stride + parts[i].offset, source + o * parts[i].run,
                    static_cast<size_t>(parts[i].run) * sizeof(float));
      }
    }
  });
  return choice;
}

}  // namespace

void register_movement(Registry& registry) {
  for (const char* op : {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}) registry.add(op, reshape);
  registry.add("Split", split);
  registry.add("Slice", slice);
  registry.add("Concat", concat);
}

}  // namespace qtool::exec
