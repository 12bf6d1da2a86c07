// Random networks with every weight and most activations on grids.
#pragma once

#include "qtool/ops/registry.h"
#include "random_graph.h"

namespace qtool::exec::testing {

using model::EncodingTable;
using quant::Encoding;
using quant::QuantSpec;
using quant::Range;
using quant::Symmetry;

inline Tensor on_grid(const Tensor& tensor, const Encoding& encoding) { return quant::fake_quantize(tensor, encoding); }

inline Encoding grid(double lo, double hi, int bits = 8) {
  const Range range{lo, hi};
  return quant::encoding_from_ranges({.bits = bits}, {&range, 1});
}

inline Encoding weight_grid(const Tensor& weight, int axis, bool symmetric, int bits = 8) {
  const QuantSpec spec{.bits = bits, .symmetry = symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric, .channel_axis = axis};
  return quant::encoding_from_ranges(spec, quant::tensor_ranges(weight, axis));
}

inline void expect_identical(const Tensor& expected, const Tensor& found, const std::string& what) {
  ASSERT_EQ(expected.shape(), found.shape()) << what;
  const auto a = expected.data<float>(), b = found.data<float>();
  size_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    if (++different == 1) ADD_FAILURE() << what << " element " << i << ": expected " << a[i] << ", found " << b[i];
  }
  EXPECT_EQ(0u, different) << what << " of " << a.size() << " elements";
}

struct Simulated {
  ir::Graph graph;
  EncodingTable table;
};

enum class EncodedShare { kMost, kAll };

// Activations and all weights on grids of their observed ranges.
inline Simulated random_simulation(unsigned seed, EncodedShare share = EncodedShare::kMost) {
  Simulated result{.graph = random_graph(seed, {.exact_only = true}), .table = {}};
  const ir::Graph& graph = result.graph;
  std::mt19937 random(seed);
  const auto values = interpret_all(graph, random_inputs(graph, seed));
  for (const auto& [id, tensor] : values) {
    if ((random() % 5 == 0 && share == EncodedShare::kMost) || tensor.dtype() != DType::kFloat32) continue;
    const auto range = quant::tensor_ranges(tensor, -1);
    result.table[id] = {.encoding = quant::encoding_from_ranges({.bits = random() % 4 == 0 ? 16 : 8}, range)};
  }
  for (const ir::NodeId id : graph.node_ids()) {
    const ir::Node& node = graph.node(id);
    const ops::QuantTraits& traits = ops::builtin_registry().at(node).traits;
    if (traits.weight_input < 0) continue;
    const ir::ValueId weight = node.inputs[static_cast<size_t>(traits.weight_input)];
    if (!graph.is_constant(weight)) continue;
    const int axis = traits.weight_channel_axis && node.attr_int("group", 1) == 1 ? static_cast<int>(traits.weight_channel_axis(node)) : -1;
    result.table[weight] = {.encoding = weight_grid(*graph.constant(weight), axis, random() % 3 != 0)};
  }
  return result;
}

}  // namespace qtool::exec::testing
