#include "pack_arena.h"

#include <algorithm>

#include "arena.h"

namespace qtool::exec {

namespace {

void touch(Plan& plan, int buffer, int step) {
  if (buffer == kNoBuffer) return;
  Buffer& root = plan.buffers[plan.root_of(buffer)];
  root.first_step = root.first_step < 0 ? step : std::min(root.first_step, step);
  root.last_step = std::max(root.last_step, step);
}

}  // namespace

void pack_arena(Plan& plan) {
  const int end = static_cast<int>(plan.steps.size());
  for (int i = 0; i < end; ++i) {
    for (const int buffer : plan.steps[i].in) touch(plan, buffer, i);
    for (const int buffer : plan.steps[i].out) touch(plan, buffer, i);
    plan.scratch_bytes = std::max(plan.scratch_bytes, plan.steps[i].scratch_bytes);
  }
  for (const PlanInput& input : plan.inputs) {
    if (input.copied) touch(plan, input.buffer, 0);
  }
  for (const PlanOutput& output : plan.outputs) touch(plan, output.buffer, end);

  std::vector<Interval> intervals;
  std::vector<int> owners;
  for (int i = 0; i < static_cast<int>(plan.buffers.size()); ++i) {
    const Buffer& buffer = plan.buffers[i];
    if (buffer.kind != Buffer::Kind::kArena || buffer.root != kNoBuffer || buffer.first_step < 0) continue;
    intervals.push_back(plan.keep_values ? Interval{buffer.bytes, 0, end} : Interval{buffer.bytes, buffer.first_step, buffer.last_step});
    owners.push_back(i);
  }
  plan.arena_bytes = pack_intervals(intervals);
  for (size_t i = 0; i < owners.size(); ++i) plan.buffers[owners[i]].arena_offset = intervals[i].offset;
  plan.summary.arena_bytes = plan.arena_bytes;
  plan.summary.steps = plan.steps.size();
}

}  // namespace qtool::exec
