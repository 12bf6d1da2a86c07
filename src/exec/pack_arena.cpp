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

template <class IntervalOf>
size_t place(Plan& plan, const IntervalOf& interval_of, size_t Buffer::*offset) {
  std::vector<Interval> intervals;
  std::vector<Buffer*> owners;
  for (Buffer& buffer : plan.buffers) {
    if (buffer.kind != Buffer::Kind::kArena || buffer.root != kNoBuffer || buffer.first_step < 0) continue;
    intervals.push_back(interval_of(buffer));
    owners.push_back(&buffer);
  }
  const size_t bytes = pack_intervals(intervals);
  for (size_t i = 0; i < owners.size(); ++i) owners[i]->*offset = intervals[i].offset;
  return bytes;
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

  const auto alive_when_used = [](const Buffer& buffer) { return Interval{buffer.bytes, buffer.first_step, buffer.last_step}; };
  const auto alive_always = [end](const Buffer& buffer) { return Interval{buffer.bytes, 0, end}; };
  if (plan.keep_values) {
    plan.arena_bytes = place(plan, alive_always, &Buffer::arena_offset);
    plan.rerun_bytes = place(plan, alive_when_used, &Buffer::rerun_offset);
  } else {
    plan.arena_bytes = place(plan, alive_when_used, &Buffer::arena_offset);
  }
  plan.summary.arena_bytes = plan.arena_bytes + plan.rerun_bytes;
  plan.summary.steps = plan.steps.size();
}

}  // namespace qtool::exec
