#include "qtool/exec/suffix_session.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "qtool/support/error.h"
#include "session_memory.h"
#include "threads.h"

namespace qtool::exec {

struct SuffixSession::State {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<std::byte> clean_memory, changed_memory, scratch;
  std::shared_ptr<const Plan> variant; // the same plan over other constants; may be null
  std::vector<void*> clean, changed;   // addresses by buffer
  std::vector<void*> clean_variant;    // as clean, with the constants of the variant
  std::map<std::string, size_t, std::less<>> step_of;  // by node name; with a variant only
  std::vector<bool> is_changed;        // by buffer: read it in the second memory
  std::vector<const void*> in;         // of one step, reused
  std::vector<void*> out;

  [[nodiscard]] bool reads_change(const Step& step) const {
    return std::any_of(step.in.begin(), step.in.end(), [&](int b) { return b != kNoBuffer && is_changed[static_cast<size_t>(b)]; });
  }

  // `unchanged`: where buffers that no change has reached are read.
  void run_step(const Step& step, bool into_changed, const std::vector<void*>& unchanged) {
    in.assign(step.in.size(), nullptr);
    out.assign(step.out.size(), nullptr);
    for (size_t i = 0; i < in.size(); ++i) {
      if (step.in[i] == kNoBuffer) continue;
      const auto buffer = static_cast<size_t>(step.in[i]);
      in[i] = into_changed && is_changed[buffer] ? changed[buffer] : unchanged[buffer];
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (step.out[i] == kNoBuffer) continue;
      const auto buffer = static_cast<size_t>(step.out[i]);
      out[i] = into_changed ? changed[buffer] : clean[buffer];
      if (into_changed) is_changed[buffer] = true;
    }
    if (step.kernel) step.kernel->run({in, out, scratch.get()});
  }

  // By index: steps that read one of these constants.
  [[nodiscard]] std::vector<bool> steps_reading(std::span<const ir::ValueId> constants) const {
    std::vector<bool> reading(plan->steps.size(), false);
    for (const ir::ValueId id : constants) {
      for (const ir::NodeId user : plan->graph.value(id).uses) {
        const auto found = step_of.find(plan->graph.node(user).name);
        if (found != step_of.end()) reading[found->second] = true;
      }
    }
    return reading;
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

namespace {

// Steps, buffers and memory are those of the other plan; only constants differ.
bool planned_alike(const Plan& a, const Plan& b) {
  if (a.steps.size() != b.steps.size() || a.buffers.size() != b.buffers.size() || a.arena_bytes != b.arena_bytes || a.rerun_bytes != b.rerun_bytes) return false;
  for (size_t i = 0; i < a.steps.size(); ++i) {
    if (a.steps[i].label != b.steps[i].label || a.steps[i].in != b.steps[i].in || a.steps[i].out != b.steps[i].out) return false;
  }
  for (size_t i = 0; i < a.buffers.size(); ++i) {
    if (a.buffers[i].kind != b.buffers[i].kind || a.buffers[i].arena_offset != b.buffers[i].arena_offset) return false;
    if (a.buffers[i].rerun_offset != b.buffers[i].rerun_offset) return false;
  }
  return true;
}

}  // namespace

SuffixSession::SuffixSession(const Executor& executor, const Executor* variant) : state_(std::make_unique<State>()) {
  state_->plan = executor.plan_;
  const Plan& plan = *state_->plan;
  QTOOL_CHECK(plan.keep_values);
  if (variant != nullptr) {
    state_->variant = variant->plan_;
    QTOOL_CHECK(planned_alike(plan, *variant->plan_));
    state_->clean_variant.resize(plan.buffers.size());
    for (size_t i = 0; i < plan.steps.size(); ++i) state_->step_of.emplace(plan.steps[i].label, i);
  }
  for (const Step& step : plan.steps) {
    if (step.dynamic_op == nullptr) continue;
    throw Error(ErrorCode::kUnsupported, "the shape of a tensor depends on data; such a model cannot be resumed in the middle")
        .with("node", step.label);
  }
  state_->clean_memory = allocate(plan.arena_bytes);
  state_->changed_memory = allocate(plan.rerun_bytes);
  state_->scratch = allocate(std::max(plan.scratch_bytes, variant != nullptr ? variant->plan_->scratch_bytes : 0));
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
  bind_buffers(plan, state.changed_memory.get(), inputs, state.changed, &Buffer::rerun_offset);
  if (state.variant) bind_buffers(*state.variant, state.clean_memory.get(), inputs, state.clean_variant);
  state.is_changed.assign(plan.buffers.size(), false);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    std::memcpy(state.clean[static_cast<size_t>(plan.inputs[i].buffer)], inputs[i].raw(), inputs[i].size_bytes());
  }
  for (const Step& step : plan.steps) state.run_step(step, false, state.clean);
}

void SuffixSession::rerun(std::span<const ir::ValueId> changed, const Change& change, std::span<const ir::ValueId> replaced) {
  State& state = *state_;
  const Plan& plan = *state.plan;
  QTOOL_CHECK(replaced.empty() || state.variant != nullptr);
  const std::vector<bool> from_variant = state.steps_reading(replaced);
  const ThreadScope threads(plan.intra_threads);
  state.is_changed.assign(plan.buffers.size(), false);
  const auto wanted = [&](const Produced& produced) {
    return produced.tapped && std::find(changed.begin(), changed.end(), produced.value) != changed.end();
  };
  for (const PlanInput& input : plan.inputs) {
    if (wanted(input.produced)) state.alter(input.produced, change);
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (from_variant[i]) state.run_step(state.variant->steps[i], true, state.clean_variant);
    else if (state.reads_change(step)) state.run_step(step, true, state.clean);
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
