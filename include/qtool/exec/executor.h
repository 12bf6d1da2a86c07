// Runs a graph: a plan made once (layouts, fused steps, aliasing, one arena by liveness, packed weights) and sessions
// that each own an arena. Sessions of one plan run concurrently, one image each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qtool/exec/layout.h"
#include "qtool/ir/graph.h"
#include "qtool/model/model_state.h"

namespace qtool::exec {

// Whether a simulation computes with real 8-bit integers. Both ways give the same bits.
enum class IntegerKernels : uint8_t {
  kAuto,  // where the instruction set is not pinned and a self-test shows that sums do not saturate
  kOff,   // integers are carried in floats
};

struct ExecOptions {
  // Threads inside one operator; 1 for one image a worker.
  int intra_threads = 1;
  // Values that a tap will read: never fused away.
  std::vector<ir::ValueId> observed;
  // Simulation: values with an encoding are put on their grid, constants included; convolutions and matrix products of
  // two such operands are computed on integer levels and are exact.
  const model::EncodingTable* encodings = nullptr;
  // Every value keeps memory of its own until the end, so that a SuffixSession can resume anywhere; observed values are
  // then never views of others. Costs memory, not time.
  bool keep_values = false;
  IntegerKernels integer_kernels = IntegerKernels::kAuto;
  // Plain reference kernels only, for tests.
  bool reference_only = false;
};

// Called right after the step that produced `value`, while it is in cache.
using Tap = std::function<void(ir::ValueId value, const PhysicalView& view)>;

struct PlanSummary {
  size_t steps = 0;
  size_t reference_steps = 0;                 // steps without a fast kernel
  std::vector<std::string> reference_nodes;   // their nodes
  size_t arena_bytes = 0;
  size_t packed_bytes = 0;
  size_t integer_steps = 0;                   // simulated steps on 8-bit codes
  size_t inexact_products = 0;                // simulated products not on integer levels: sums may be rounded
};

struct StepTime {
  std::string node;
  std::string op;       // operator type after fusing, or what the plan itself added: reorder, encode, requantize
  double seconds = 0.0;
};

class Plan;  // internal

class Session {
 public:
  ~Session();
  Session(Session&&) noexcept;
  // Inputs in graph input order; dtype and shape are checked. Returns the graph outputs as tensors of their own.
  [[nodiscard]] std::vector<Tensor> run(const std::vector<Tensor>& inputs, const Tap& tap = {});
  // Shortest time of each step over `runs` runs after a warm-up, in the order of the plan. Views take no step's time.
  [[nodiscard]] std::vector<StepTime> profile(const std::vector<Tensor>& inputs, int runs);

 private:
  friend class Executor;
  struct State;
  explicit Session(std::shared_ptr<const Plan> plan);
  std::unique_ptr<State> state_;
};

class Executor {
 public:
  // The graph must have settled shapes (ops::infer_shapes). It is copied as far as needed.
  Executor(const ir::Graph& graph, const ExecOptions& options);
  [[nodiscard]] Session new_session() const;
  [[nodiscard]] const PlanSummary& summary() const;
  // Values a tap is called for with these options.
  [[nodiscard]] const std::vector<TensorType>& input_types() const;

 private:
  friend class SuffixSession;
  std::shared_ptr<const Plan> plan_;
};

// Preferred channel block of this machine: 16 with AVX-512, else 8.
[[nodiscard]] int64_t preferred_block();

}  // namespace qtool::exec
