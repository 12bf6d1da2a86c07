// The immutable result of planning: steps over buffers. Built by Planner, run by Session.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "qtool/exec/executor.h"
#include "qtool/exec/kernel.h"
#include "qtool/ops/registry.h"
#include "qtool/tensor/simd_codes.h"

namespace qtool::exec {

inline constexpr int kNoBuffer = -1;

struct Buffer {
  enum class Kind : uint8_t { kArena, kConstant, kFeed } kind = Kind::kArena;
  size_t bytes = 0;
  int root = kNoBuffer;      // kNoBuffer: owns its memory; else lies inside that buffer
  size_t root_offset = 0;    // bytes
  int sharers = 1;           // values that lie in this root
  int first_step = -1;       // live interval of a root
  int last_step = -1;
  size_t arena_offset = 0;
  size_t rerun_offset = 0;   // with keep_values: in the memory of reruns, which keep nothing
  Tensor constant;
  size_t feed = 0;           // graph input index
};

struct Produced {
  ir::ValueId value;
  int buffer;
  Layout layout;
  Shape shape;
  bool tapped = false;
  bool quantize = false;     // put on the grid below after the step
  float scale = 1.0f, lowest = 0.0f, highest = 0.0f;
};

struct Step {
  std::string label;                 // node name, for errors
  std::string op;                    // operator type, "reorder" for steps of the planner's own
  std::unique_ptr<Kernel> kernel;    // null for a reference step without static shapes
  std::vector<int> in, out;
  size_t scratch_bytes = 0;
  std::vector<Produced> produced;
  // Reference steps whose types depend on data keep their values in Session::State::dynamic.
  const ops::OpDef* dynamic_op = nullptr;
  const ir::Node* node = nullptr;
};

struct PlanInput {
  TensorType type;
  std::string name;
  int buffer;                        // arena copy when the input is put on a grid, else the feed
  bool copied = false;
  Produced produced;
};

struct PlanOutput {
  ir::ValueId value;
  std::string name;
  int buffer = kNoBuffer;            // kNoBuffer: dynamic
  Layout layout;
  TensorType type;
  simd::CodeGrid grid;               // of codes
};

class Plan {
 public:
  Plan(const ir::Graph& graph, const ExecOptions& options);

  // The buffer whose memory this one lies in.
  [[nodiscard]] int root_of(int buffer) const {
    const int root = buffers[static_cast<size_t>(buffer)].root;
    return root == kNoBuffer ? buffer : root;
  }

  ir::Graph graph;                   // constants already on their grids
  std::deque<ir::Node> fused_nodes;  // stable addresses for kernels and steps
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<PlanInput> inputs;
  std::vector<PlanOutput> outputs;
  std::vector<TensorType> input_types;
  PlanSummary summary;
  size_t arena_bytes = 0;
  size_t rerun_bytes = 0;
  size_t scratch_bytes = 0;
  int intra_threads = 1;
  bool keep_values = false;
};

}  // namespace qtool::exec
