#include "qtool/exec/suffix_session.h"

#include <algorithm>
#include <cstring>

#include "qtool/support/error.h"
#include "session_memory.h"
#include "threads.h"

namespace qtool::exec {

struct SuffixSession::State {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<std::byte> clean_memory, changed_memory, scratch;
  std::vector<void*> clean, changed;   // addresses by buffer
  std::vector<bool> is_changed;        // by buffer: read it in the second memory
  std::vector<const void*> in;         // of one step, reused
  std::vector<void*> out;

  [[nodiscard]] bool reads_change(const Step& step) const {
    return std::any_of(step.in.begin(), step.in.end(), [&](int b) { return b != kNoBuffer && is_changed[static_cast<size_t>(b)]; });
  }

  void run_step(const Step& step, bool into_changed) {
    in.assign(step.in.size(), nullptr);
    out.assign(step.out.size(), nullptr);
    for (size_t i = 0; i < in.size(); ++i) {
      if (step.in[i] == kNoBuffer) continue;
      const auto buffer = static_cast<size_t>(step.in[i]);
      in[i] = into_changed && is_changed[buffer] ? changed[buffer] : clean[buffer];
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (step.out[i] == kNoBuffer) continue;
      const auto buffer = static_cast<size_t>(step.out[i]);
      out[i] = into_changed ? changed[buffer] : clean[buffer];
      if (into_changed) is_changed[buffer] = true;
    }
    if (step.kernel) step.kernel->run({in, out, scratch.get()});
  }

  void alter(const Produced& produced, const Change& change) {
    const auto buffer = static_cast<size_t>(produced.buffer);
    const auto count = static_cast<size_t>(physical_count(produced.shape, produced.layout));
    auto* values = static_cast<float*>(changed[buffer]);
    if (!is_changed[buffer]) std::memcpy(values, clean[buffer], count * sizeof(float));
    is_changed[buffer] = true;
    change(produced.value, {values, count});
  }
};

SuffixSession::SuffixSession(const Executor& executor) : state_(std::make_unique<State>()) {
  state_->plan = executor.plan_;
  const Plan& plan = *state_->plan;
  QTOOL_CHECK(plan.keep_values);
  for (const Step& step : plan.steps) {
    if (step.dynamic_op == nullptr) continue;
    throw Error(ErrorCode::kUnsupported, "the shape of a tensor depends on data; such a model cannot be resumed in the middle")
        .with("node", step.label);
  }
  state_->clean_memory = allocate(plan.arena_bytes);
  state_->changed_memory = allocate(plan.arena_bytes);
  state_->scratch = allocate(plan.scratch_bytes);
  state_->clean.resize(plan.buffers.size());
  state_->changed.resize(plan.buffers.size());
  state_->is_changed.resize(plan.buffers.size());
}
SuffixSession::~SuffixSession() = default;
SuffixSession::SuffixSession(SuffixSession&&) noexcept = default;

void SuffixSession::run(const std::vector<Tensor>& inputs) {
  State& state = *state_;
  const Plan& plan = *state.plan;
  check_inputs(plan, inputs);
  const ThreadScope threads(plan.intra_threads);
  bind_buffers(plan, state.clean_memory.get(), inputs, state.clean);
  bind_buffers(plan, state.changed_memory.get(), inputs, state.changed);
  state.is_changed.assign(plan.buffers.size(), false);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    std::memcpy(state.clean[static_cast<size_t>(plan.inputs[i].buffer)], inputs[i].raw(), inputs[i].size_bytes());
  }
  for (const Step& step : plan.steps) state.run_step(step, false);
}

void SuffixSession::rerun(std::span<const ir::ValueId> changed, const Change& change) {
  State& state = *state_;
  const Plan& plan = *state.plan;
  const ThreadScope threads(plan.intra_threads);
  state.is_changed.assign(plan.buffers.size(), false);
  const auto wanted = [&](const Produced& produced) {
    return produced.tapped && std::find(changed.begin(), changed.end(), produced.value) != changed.end();
  };
  for (const PlanInput& input : plan.inputs) {
    if (wanted(input.produced)) state.alter(input.produced, change);
  }
  for (const Step& step : plan.steps) {
    if (state.reads_change(step)) state.run_step(step, true);
    for (const Produced& produced : step.produced) {
      if (wanted(produced)) state.alter(produced, change);
    }
  }
}

Tensor SuffixSession::output(size_t index) const {
  const PlanOutput& output = state_->plan->outputs[index];
  return copy_output(output, state_->clean[static_cast<size_t>(output.buffer)]);
}

Tensor SuffixSession::changed_output(size_t index) const {
  const PlanOutput& output = state_->plan->outputs[index];
  const auto buffer = static_cast<size_t>(output.buffer);
  return copy_output(output, state_->is_changed[buffer] ? state_->changed[buffer] : state_->clean[buffer]);
}

bool SuffixSession::output_changed(size_t index) const {
  return state_->is_changed[static_cast<size_t>(state_->plan->outputs[index].buffer)];
}

}  // namespace qtool::exec
