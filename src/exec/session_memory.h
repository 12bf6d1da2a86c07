// Memory of a running plan and the address of every buffer in it.
#pragma once

#include <memory>
#include <vector>

#include "plan.h"

namespace qtool::exec {

// 64-byte aligned, released with the last copy. Throws std::bad_alloc.
[[nodiscard]] std::shared_ptr<std::byte> allocate(size_t bytes);

// One address for each buffer of the plan; graph inputs that are not copied lie in `inputs`. `offset`: Buffer::rerun_offset in the
// memory of reruns.
void bind_buffers(const Plan& plan, std::byte* arena, const std::vector<Tensor>& inputs, std::vector<void*>& addresses,
                  size_t Buffer::*offset = &Buffer::arena_offset);

// Throws Error(kInvalidData) when number, type or shape is wrong.
void check_inputs(const Plan& plan, const std::vector<Tensor>& inputs);

// The output as a row-major tensor of its own.
[[nodiscard]] Tensor copy_output(const PlanOutput& output, const void* data);

}  // namespace qtool::exec
