#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "plan.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/tensor/simd.h"
#include "threads.h"

namespace qtool::exec {

namespace {

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

}  // namespace

struct Session::State {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<std::byte> arena;
  std::shared_ptr<std::byte> scratch;
  std::vector<void*> addresses;             // by buffer
  std::map<ir::ValueId, Tensor> dynamic;    // values without a static type

  void bind(const std::vector<Tensor>& inputs) {
    for (size_t i = 0; i < plan->buffers.size(); ++i) {
      const Buffer& buffer = plan->buffers[i];
      const Buffer& root = buffer.root == kNoBuffer ? buffer : plan->buffers[static_cast<size_t>(buffer.root)];
      std::byte* base = nullptr;
      switch (root.kind) {
        case Buffer::Kind::kArena: base = arena.get() + root.arena_offset; break;
        case Buffer::Kind::kConstant: base = static_cast<std::byte*>(const_cast<void*>(root.constant.raw())); break;
        case Buffer::Kind::kFeed: base = static_cast<std::byte*>(const_cast<void*>(inputs[root.feed].raw())); break;
      }
      addresses[i] = base + (buffer.root == kNoBuffer ? 0 : buffer.root_offset);
    }
  }

  void finish(const Produced& produced, const Tap& tap) const {
    auto* data = static_cast<float*>(addresses[static_cast<size_t>(produced.buffer)]);
    if (produced.quantize) {
      simd::kernels().fake_quantize(data, data, physical_count(produced.shape, produced.layout), produced.scale,
                                    produced.lowest, produced.highest);
    }
    if (produced.tapped && tap) tap(produced.value, {data, produced.shape, produced.layout});
  }

  void check_inputs(const std::vector<Tensor>& inputs) const {
    if (inputs.size() != plan->inputs.size()) {
      throw Error(ErrorCode::kInvalidData, format("{} input tensors given, the model has {}", inputs.size(), plan->inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].type() == plan->inputs[i].type) continue;
      throw Error(ErrorCode::kInvalidData,
                  format("input is {} {}, the model expects {} {}", dtype_name(inputs[i].dtype()), inputs[i].shape().text(),
                         dtype_name(plan->inputs[i].type.dtype), plan->inputs[i].type.shape.text()))
          .with("tensor", plan->inputs[i].name);
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
  state.check_inputs(inputs);
  const ThreadScope threads(plan.intra_threads);
  state.bind(inputs);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const PlanInput& input = plan.inputs[i];
    if (input.copied) {
      std::memcpy(state.addresses[static_cast<size_t>(input.buffer)], inputs[i].raw(), inputs[i].size_bytes());
    }
    state.finish(input.produced, tap);
  }
  for (const Step& step : plan.steps) {
    if (step.dynamic_op != nullptr) {
      state.run_dynamic(step);
      continue;
    }
    if (step.kernel) state.run_step(step);
    for (const Produced& produced : step.produced) state.finish(produced, tap);
  }
  std::vector<Tensor> results;
  for (const PlanOutput& output : plan.outputs) {
    if (output.buffer == kNoBuffer) {
      results.push_back(state.dynamic.at(output.value));
      continue;
    }
    Tensor result(output.type);
    const void* data = state.addresses[static_cast<size_t>(output.buffer)];
    if (output.layout.plain()) {
      if (result.size_bytes() > 0) std::memcpy(result.mutable_raw(), data, result.size_bytes());
    } else {
      copy_to_plain({static_cast<const float*>(data), output.type.shape, output.layout}, result.mutable_data<float>().data());
    }
    results.push_back(std::move(result));
  }
  return results;
}

Executor::Executor(const ir::Graph& graph, const ExecOptions& options)
    : plan_(std::make_shared<const Plan>(graph, options)) {}
Session Executor::new_session() const { return Session(plan_); }
const PlanSummary& Executor::summary() const { return plan_->summary; }
const std::vector<TensorType>& Executor::input_types() const { return plan_->input_types; }

int64_t preferred_block() { return simd::kernels().isa == simd::Isa::kAvx512 ? 16 : 8; }

}  // namespace qtool::exec
