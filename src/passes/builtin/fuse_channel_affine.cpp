// Folds an addition or multiplication by per-channel constants into the layer that feeds it.
// BEFORE   x -> Conv(W, b) -> {Add, Sub, Mul, Div}(c) -> y        AFTER   x -> Conv(W', b') -> y
//          x -> MatMul(W) -> Add(c) -> y                          AFTER   x -> Gemm(W, c) -> y
//          the same for ConvTranspose and Gemm
// REQUIRES 1. parameters are float32 constants, c is a scalar or one number a channel ([C, 1, 1], [1, C, 1, 1]; [N] and
//          [1, N] for matrices)  2. the layer's output has no other reader and is no graph output, and y has its shape
//          3. for - and /, c stands on the right  4. MatMul: both operands are matrices. With more axes MatMul + Add
//          stays, which every backend reads as a product with bias.
// FORMULA  y = s * (W x + b) + t:  W'[c] = s[c] * W[c];  b'[c] = s[c] * b[c] + t[c]
// SOURCE   -
#include "qtool/passes/linear_layer.h"
#include "qtool/passes/registry.h"
#include "qtool/passes/rewrite.h"

namespace qtool::passes {

namespace {

using ir::Graph;
using ir::Node;

constexpr size_t kBiasSlot = 2;

struct Operand {
  size_t layer_slot;
  ir::ValueId constant;
};

std::optional<Operand> split_operands(const Graph& graph, const Node& node) {
  const bool commutes = is_op(node, "Add") || is_op(node, "Mul");
  if (!commutes && !is_op(node, "Sub") && !is_op(node, "Div")) return std::nullopt;
  if (graph.is_constant(node.inputs[1])) return Operand{0, node.inputs[1]};
  if (commutes && graph.is_constant(node.inputs[0])) return Operand{1, node.inputs[0]};
  return std::nullopt;
}

ChannelAffine as_affine(const Node& node, const std::vector<double>& constant) {
  ChannelAffine affine{std::vector<double>(constant.size(), 1.0), std::vector<double>(constant.size(), 0.0)};
  for (size_t c = 0; c < constant.size(); ++c) {
    if (node.op_type == "Add") affine.shift[c] = constant[c];
    if (node.op_type == "Sub") affine.shift[c] = -constant[c];
    if (node.op_type == "Mul") affine.scale[c] = constant[c];
    if (node.op_type == "Div") affine.scale[c] = 1.0 / constant[c];
  }
  return affine;
}

// The constant of the Add becomes the bias under its own name.
void attach_bias(Graph& graph, ir::NodeId layer, ir::ValueId constant, const ChannelAffine& affine) {
  Tensor bias(DType::kFloat32, Shape{static_cast<int64_t>(affine.shift.size())});
  const auto values = bias.mutable_data<float>();
  for (size_t c = 0; c < values.size(); ++c) values[c] = static_cast<float>(affine.shift[c]);
  Node& node = graph.node(layer);
  const ir::ValueId own = own_constant(graph, constant, std::move(bias), node.name + ".bias");
  if (node.op_type == "MatMul") node.op_type = "Gemm";
  node.attributes.erase("beta");
  graph.set_input(layer, kBiasSlot, own);
}

bool fuse(model::ModelState& state, ir::NodeId id) {
  Graph& graph = state.graph;
  const Node& node = graph.node(id);
  const auto operand = split_operands(graph, node);
  if (!operand) return false;
  const ir::ValueId middle = node.inputs[operand->layer_slot], output = node.outputs[0];
  if (!same_known_type(graph, middle, output)) return false;
  const auto layer = foldable_producer(graph, middle);
  if (!layer) return false;
  const auto constant = per_channel_constant(*graph.constant(operand->constant), graph.type_of(output).shape, kChannelAxis);
  if (!constant) return false;
  const ChannelAffine affine = as_affine(node, *constant);
  if (is_op(node, "Add") && input_of(graph.node(*layer), kBiasSlot) == ir::kNoValue) {
    attach_bias(graph, *layer, operand->constant, affine);
  } else if (!fold_output_affine(graph, *layer, affine)) {
    return false;
  }
  take_output(state, *layer, output);
  update_folded_statistics(state, output, affine);
  return true;
}

}  // namespace

void register_fuse_channel_affine(Registry& registry) {
  registry.add_rewrite({.name = "fuse_channel_affine",
                        .summary = "Folds additions and multiplications by per-channel constants into weights and biases.",
                        .category = PassCategory::kCleanup,
                        .order = 55},
                       fuse);
}

}  // namespace qtool::passes
