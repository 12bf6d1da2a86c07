#include "session_memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "code_layout.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exec {

std::shared_ptr<std::byte> allocate(size_t bytes) {
  const size_t rounded = (bytes + 63) / 64 * 64 + 64;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, std::free};
}

void bind_buffers(const Plan& plan, std::byte* arena, const std::vector<Tensor>& inputs, std::vector<void*>& addresses) {
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    const Buffer& root = buffer.root == kNoBuffer ? buffer : plan.buffers[static_cast<size_t>(buffer.root)];
    std::byte* base = nullptr;
    switch (root.kind) {
      case Buffer::Kind::kArena: base = arena + root.arena_offset; break;
      case Buffer::Kind::kConstant: base = static_cast<std::byte*>(const_cast<void*>(root.constant.raw())); break;
      case Buffer::Kind::kFeed: base = static_cast<std::byte*>(const_cast<void*>(inputs[root.feed].raw())); break;
    }
    addresses[i] = base + (buffer.root == kNoBuffer ? 0 : buffer.root_offset);
  }
}

void check_inputs(const Plan& plan, const std::vector<Tensor>& inputs) {
  if (inputs.size() != plan.inputs.size()) {
    throw Error(ErrorCode::kInvalidData, format("{} input tensors given, the model has {}", inputs.size(), plan.inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].type() == plan.inputs[i].type) continue;
    throw Error(ErrorCode::kInvalidData,
                format("input is {} {}, the model expects {} {}", dtype_name(inputs[i].dtype()), inputs[i].shape().text(),
                       dtype_name(plan.inputs[i].type.dtype), plan.inputs[i].type.shape.text()))
        .with("tensor", plan.inputs[i].name);
  }
}

Tensor copy_output(const PlanOutput& output, const void* data) {
  Tensor result(output.type);
  if (output.layout.codes()) {
    convert_codes(data, output.layout, result.mutable_raw(), Layout{}, output.type.shape, output.grid);
  } else if (!output.layout.plain()) {
    copy_to_plain({static_cast<const float*>(data), output.type.shape, output.layout}, result.mutable_data<float>().data());
  } else if (result.size_bytes() > 0) {
    std::memcpy(result.mutable_raw(), data, result.size_bytes());
  }
  return result;
}

}  // namespace qtool::exec
