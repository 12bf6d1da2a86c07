#include "session_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "code_layout.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exec {

// Large blocks ask for huge pages: walking activations through 4 KiB pages costs a tenth of a forward pass.
std::shared_ptr<std::byte> allocate(size_t bytes) {
  constexpr size_t kLine = 64, kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const size_t rounded = (bytes + alignment) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (alignment == kHugePage) (void)madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: refusal costs speed only
#endif
  return {memory, std::free};
}

void bind_buffers(const Plan& plan, std::byte* arena, const std::vector<Tensor>& inputs, std::vector<void*>& addresses,
                  size_t Buffer::*offset) {
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    const Buffer& root = buffer.root == kNoBuffer ? buffer : plan.buffers[static_cast<size_t>(buffer.root)];
    std::byte* base = nullptr;
    switch (root.kind) {
      case Buffer::Kind::kArena: base = arena + root.*offset; break;
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
  const bool as_it_lies = output.layout.plain() && !output.layout.codes();
  if (as_it_lies) return Tensor::borrow(output.type.dtype, output.type.shape, const_cast<void*>(data)).clone();
  Tensor result(output.type);
  if (output.layout.codes()) {
    convert_codes(data, output.layout, result.mutable_raw(), Layout{}, output.type.shape, output.grid);
  } else {
    copy_to_plain({static_cast<const float*>(data), output.type.shape, output.layout}, result.mutable_data<float>().data());
  }
  return result;
}

}  // namespace qtool::exec
