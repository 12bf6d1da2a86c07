#include <chrono>
#include <cstring>
#include <limits>
#include <map>

#include "code_layout.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/tensor/simd.h"
#include "session_memory.h"
#include "threads.h"

namespace qtool::exec {

struct Session::State {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<std::byte> arena;
  std::shared_ptr<std::byte> scratch;
  std::vector<void*> addresses;             // by buffer
  std::map<ir::ValueId, Tensor> dynamic;    // values without a static type

  void finish(const Produced& produced, const Tap& tap) const {
    auto* data = static_cast<float*>(addresses[static_cast<size_t>(produced.buffer)]);
    if (produced.quantize) {
      simd::kernels().fake_quantize(data, data, physical_count(produced.shape, produced.layout), produced.scale,
                                    produced.lowest, produced.highest);
    }
    if (!produced.tapped || !tap) return;
    if (produced.layout.codes()) {
      std::vector<float> values(static_cast<size_t>(produced.shape.element_count()));
      convert_codes(data, produced.layout, values.data(), Layout{}, produced.shape,
                    {.scale = produced.scale, .lowest = produced.lowest, .highest = produced.highest});
      tap(produced.value, {values.data(), produced.shape, Layout{}});
    } else {
      tap(produced.value, {data, produced.shape, produced.layout});
    }
  }

  void run_step(const Step& step) {
    std::vector<const void*> in(step.in.size(), nullptr);
    std::vector<void*> out(step.out.size(), nullptr);
    for (size_t i = 0; i < in.size(); ++i) {
      if (step.in[i] != kNoBuffer) in[i] = addresses[static_cast<size_t>(step.in[i])];
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (step.out[i] != kNoBuffer) out[i] = addresses[static_cast<size_t>(step.out[i])];
    }
    step.kernel->run({in, out, scratch.get()});
  }

  void run_any(const Step& step, const Tap& tap) {
    if (step.dynamic_op != nullptr) return run_dynamic(step);
    if (step.kernel) run_step(step);
    for (const Produced& produced : step.produced) finish(produced, tap);
  }

  void feed(const std::vector<Tensor>& inputs, const Tap& tap) {
    check_inputs(*plan, inputs);
    bind_buffers(*plan, arena.get(), inputs, addresses);
    for (size_t i = 0; i < plan->inputs.size(); ++i) {
      const PlanInput& input = plan->inputs[i];
      if (input.copied) {
        std::memcpy(addresses[static_cast<size_t>(input.buffer)], inputs[i].raw(), inputs[i].size_bytes());
      }
      finish(input.produced, tap);
    }
  }

  void run_dynamic(const Step& step) {
    const ir::Node& node = *step.node;
    std::vector<Tensor> inputs(node.inputs.size());
    std::vector<const Tensor*> pointers(node.inputs.size(), nullptr);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId id = node.inputs[i];
      if (id == ir::kNoValue) continue;
      if (step.in[i] != kNoBuffer) {
        const TensorType& type = plan->graph.type_of(id);
        inputs[i] = Tensor::borrow(type.dtype, type.shape, addresses[static_cast<size_t>(step.in[i])]);
      } else {
        inputs[i] = dynamic.at(id);
      }
      pointers[i] = &inputs[i];
    }
    std::vector<Tensor> results = ops::evaluate_node(*step.dynamic_op, ops::EvalContext(node, pointers));
    for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      // Results may share memory with a borrowed input, which the arena will reuse.
      if (node.outputs[i] != ir::kNoValue) dynamic[node.outputs[i]] = results[i].clone();
    }
  }
};

Session::Session(std::shared_ptr<const Plan> plan) : state_(std::make_unique<State>()) {
  state_->arena = allocate(plan->arena_bytes);
  state_->scratch = allocate(plan->scratch_bytes);
  state_->addresses.resize(plan->buffers.size());
  state_->plan = std::move(plan);
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

std::vector<Tensor> Session::run(const std::vector<Tensor>& inputs, const Tap& tap) {
  State& state = *state_;
  const Plan& plan = *state.plan;
  const ThreadScope threads(plan.intra_threads);
  state.feed(inputs, tap);
  for (const Step& step : plan.steps) state.run_any(step, tap);
  std::vector<Tensor> results;
  for (const PlanOutput& output : plan.outputs) {
    if (output.buffer == kNoBuffer) {
      results.push_back(state.dynamic.at(output.value));
      continue;
    }
    results.push_back(copy_output(output, state.addresses[static_cast<size_t>(output.buffer)]));
  }
  return results;
}

std::vector<StepTime> Session::profile(const std::vector<Tensor>& inputs, int runs) {
  using Clock = std::chrono::steady_clock;
  State& state = *state_;
  const std::vector<Step>& steps = state.plan->steps;
  const ThreadScope threads(state.plan->intra_threads);
  std::vector<StepTime> times;
  for (const Step& step : steps) times.push_back({step.label, step.op, std::numeric_limits<double>::infinity()});
  for (int i = 0; i <= runs; ++i) {
    state.feed(inputs, {});
    for (size_t s = 0; s < steps.size(); ++s) {
      const auto start = Clock::now();
      state.run_any(steps[s], {});
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (i > 0) times[s].seconds = std::min(times[s].seconds, seconds);
    }
  }
  return times;
}

Executor::Executor(const ir::Graph& graph, const ExecOptions& options)
    : plan_(std::make_shared<const Plan>(graph, options)) {}
Session Executor::new_session() const { return Session(plan_); }
const PlanSummary& Executor::summary() const { return plan_->summary; }
const std::vector<TensorType>& Executor::input_types() const { return plan_->input_types; }

int64_t preferred_block() { return simd::kernels().isa == simd::Isa::kAvx512 ? 16 : 8; }

}  // namespace qtool::exec
