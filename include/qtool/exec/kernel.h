// A fast kernel and the contract between it and the planner.
//
// The planner asks the factories of an operator in turn; the first that accepts says in which layouts it wants its
// inputs and gives its outputs. Kernels are immutable and shared by all workers: everything that changes while running
// is in KernelArgs.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "qtool/exec/layout.h"
#include "qtool/ir/graph.h"
#include "qtool/quant/encoding.h"

namespace qtool::exec {

struct KernelArgs {
  std::span<const void* const> in;   // by node input slot; nullptr where left out
  std::span<void* const> out;        // by node output slot; nullptr where nobody reads
  std::byte* scratch = nullptr;      // KernelChoice::scratch_bytes, 64-byte aligned
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const KernelArgs& args) const = 0;
};

// A kernel from a callable, for small cases.
template <class Fn>
std::unique_ptr<Kernel> make_kernel(Fn fn) {
  class FnKernel final : public Kernel {
   public:
    explicit FnKernel(Fn fn) : fn_(std::move(fn)) {}
    void run(const KernelArgs& args) const override { fn_(args); }

   private:
    Fn fn_;
  };
  return std::make_unique<FnKernel>(std::move(fn));
}

// An element-wise function applied to output 0 of a convolution or matrix product before it is stored.
struct FusedActivation {
  enum class Kind : uint8_t { kNone, kRelu, kClip, kSilu } kind = Kind::kNone;
  float lo = 0.0f;  // kClip
  float hi = 0.0f;
};

// Codes of one grid to codes of another, or of a function of the value.
using CodeTable = std::array<uint8_t, 256>;

// What surrounds the node being planned.
struct KernelRequest {
  const ir::Graph& graph;
  const ir::Node& node;
  std::vector<Layout> input_layouts;   // how each input lies now; the kernel may ask for another
  int64_t block = 16;                  // preferred channel block on this machine
  FusedActivation activation;          // a factory that cannot fuse it answers nullopt
  std::optional<Layout> required_output_layout;  // Concat: parts already lie in the output
  // Simulation: grids of the inputs that are on one (nullptr otherwise), by slot.
  std::vector<const quant::Encoding*> input_encodings;
  std::vector<const quant::Encoding*> output_encodings;
  // Kernels on codes: output 0 first goes on this grid, then through a table to the grid of output_encodings[0].
  const quant::Encoding* inner_encoding = nullptr;
  const CodeTable* output_table = nullptr;

  [[nodiscard]] bool has_input(size_t i) const {
    return i < node.inputs.size() && node.inputs[i] != ir::kNoValue;
  }
  [[nodiscard]] const TensorType& input_type(size_t i) const { return graph.type_of(node.inputs[i]); }
  [[nodiscard]] const Shape& input_shape(size_t i) const { return input_type(i).shape; }
  [[nodiscard]] const TensorType& output_type(size_t i = 0) const { return graph.type_of(node.outputs[i]); }
  [[nodiscard]] const Shape& output_shape(size_t i = 0) const { return output_type(i).shape; }
  [[nodiscard]] const Tensor* constant(size_t i) const { return has_input(i) ? graph.constant(node.inputs[i]) : nullptr; }
  [[nodiscard]] bool all_float() const;  // every present input and output is float32
  // Grids whose values may be kept as codes: at most 8 bits, one grid a tensor; nullptr otherwise.
  [[nodiscard]] const quant::Encoding* input_code_grid(size_t i) const;
  [[nodiscard]] const quant::Encoding* output_code_grid(size_t i = 0) const;
  [[nodiscard]] bool lies_in_codes(size_t i) const { return has_input(i) && input_layouts[i].codes(); }
};

struct KernelChoice {
  std::unique_ptr<Kernel> kernel;      // null: nothing to compute (views only)
  std::vector<Layout> input_layouts;   // by slot
  std::vector<Layout> output_layouts;  // by slot
  size_t scratch_bytes = 0;
  // Inputs the kernel has taken into itself (packed weights): it does not read them from memory.
  std::vector<bool> input_absorbed;
  // Output i is input `input` from element `offset` on: no memory of its own.
  struct View {
    size_t input;
    int64_t offset;
  };
  std::vector<std::optional<View>> output_views;
  // Output 0 may take the place of this input when nobody reads the input afterwards; -1: never.
  int in_place_input = -1;
  // Simulation: the sum of products was computed on integer levels without rounding.
  bool exact_product = false;
  // Concat: element offset of each input inside output 0. Inputs that already lie there arrive as that address.
  std::vector<int64_t> input_placement;
};

using KernelFactory = std::function<std::optional<KernelChoice>(const KernelRequest&)>;

}  // namespace qtool::exec
