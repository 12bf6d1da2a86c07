#include "placements.h"

#include "code_layout.h"
#include "qtool/support/error.h"

namespace qtool::exec {

using ir::ValueId;

size_t element_bytes(const TensorType& type, Layout layout) {
  return layout.codes() ? 1 : dtype_size_bytes(type.dtype);
}

namespace {

std::unique_ptr<Kernel> make_float_reorder(const Shape& shape, Layout from, Layout wanted) {
  return make_kernel([shape, from, wanted](const KernelArgs& args) {
    const auto* source = static_cast<const float*>(args.in[0]);
    auto* target = static_cast<float*>(args.out[0]);
    if (wanted.plain()) {
      copy_to_plain({source, shape, from}, target);
    } else {
      QTOOL_CHECK(from.plain());
      copy_from_plain(source, shape, wanted, target);
    }
  });
}

}  // namespace

int Placements::new_buffer(Buffer buffer) {
  plan_.buffers.push_back(std::move(buffer));
  return static_cast<int>(plan_.buffers.size()) - 1;
}

int Placements::new_arena_buffer(const TensorType& type, Layout layout) {
  const int64_t elements = physical_count(type.shape, layout);
  return new_buffer({.bytes = static_cast<size_t>(elements) * element_bytes(type, layout)});
}

int Placements::new_view(int of, int64_t byte_offset, size_t bytes) {
  const int root = plan_.root_of(of);
  const size_t base = plan_.buffers[of].root == kNoBuffer ? 0 : plan_.buffers[of].root_offset;
  ++plan_.buffers[root].sharers;
  return new_buffer({.bytes = bytes, .root = root, .root_offset = base + static_cast<size_t>(byte_offset)});
}

int Placements::new_output_buffer(ValueId id, Layout layout) {
  const TensorType& type = graph_.type_of(id);
  const auto home = homes_.find(id);
  if (home != homes_.end() && !layout.codes() && (layout.plain() || (home->second.block_aligned && layout.block == block_))) {
    const ValueId joined = graph_.node(home->second.concat).outputs[0];
    auto parent = places_.find(joined);
    if (parent == places_.end()) {
      const int buffer = new_arena_buffer(graph_.type_of(joined), layout);
      parent = places_.emplace(joined, Placement{buffer, layout}).first;
    }
    if (parent->second.layout == layout) {
      const size_t bytes = static_cast<size_t>(physical_count(type.shape, layout)) * sizeof(float);
      return new_view(parent->second.buffer, home->second.element_offset * static_cast<int64_t>(sizeof(float)), bytes);
    }
  }
  return new_arena_buffer(type, layout);
}

Placement Placements::place_of(ValueId id) {
  const auto at = places_.find(id);
  if (at != places_.end()) return at->second;
  const Tensor* constant = graph_.constant(id);
  QTOOL_CHECK(constant != nullptr);
  const int buffer = new_buffer({.kind = Buffer::Kind::kConstant, .bytes = constant->size_bytes(), .constant = *constant});
  return places_[id] = {buffer, Layout{}};
}

int Placements::in_layout(ValueId id, Layout wanted) {
  const Placement place = place_of(id);
  if (place.layout == wanted) return place.buffer;
  const auto key = std::make_tuple(id, wanted.block, wanted.storage);
  if (const auto at = converted_.find(key); at != converted_.end()) return at->second;
  const TensorType& type = graph_.type_of(id);
  const int buffer = new_arena_buffer(type, wanted);
  Step step{.label = graph_.value(id).name, .op = "reorder"};
  if (place.layout.codes() || wanted.codes()) {
    step.kernel = make_kernel([shape = type.shape, from = place.layout, wanted, grid = code_grid(*facts_.encoding(id))](const KernelArgs& args) {
      convert_codes(args.in[0], from, args.out[0], wanted, shape, grid);
    });
  } else {
    step.kernel = make_float_reorder(type.shape, place.layout, wanted);
  }
  step.in = {place.buffer};
  step.out = {buffer};
  plan_.steps.push_back(std::move(step));
  return converted_[key] = buffer;
}

}  // namespace qtool::exec
