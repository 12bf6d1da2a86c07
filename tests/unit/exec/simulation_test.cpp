// Simulation: products on integer levels against 64-bit integer arithmetic.
#include "isa_scope.h"
#include "qtool/ops/registry.h"
#include "random_simulation.h"

namespace qtool::exec::testing {
namespace {

// float(sum of level products) * (s_x * s_w) + bias, the sum in int64.
float dequantize(int64_t sum, double input_scale, const Encoding& weight, size_t channel, float bias) {
  const double weight_scale = weight.grids[weight.per_channel() ? channel : 0].scale;
  const float scale = static_cast<float>(input_scale) * static_cast<float>(weight_scale);
  return static_cast<float>(static_cast<double>(sum) * static_cast<double>(scale)) + bias;
}

struct Layer {
  Encoding input, weight;
  Tensor bias;  // empty: none
};

// Row-major NCHW Conv, square kernel, group 1, padding `pad`.
Tensor integer_conv(const Tensor& x, const Tensor& w, const Layer& layer, int64_t pad) {
  const auto xs = quant::quantize_levels(x, layer.input), ws = quant::quantize_levels(w, layer.weight);
  const Shape& in = x.shape();
  const int64_t k = w.shape()[2], height = in[2] + 2 * pad - k + 1, width = in[3] + 2 * pad - k + 1;
  Tensor y(DType::kFloat32, {in[0], w.shape()[0], height, width});
  auto target = y.mutable_data<float>();
  size_t at = 0;
  for (int64_t n = 0; n < in[0]; ++n) {
    for (int64_t o = 0; o < w.shape()[0]; ++o) {
      for (int64_t h = 0; h < height; ++h) {
        for (int64_t v = 0; v < width; ++v) {
          int64_t sum = 0;
          for (int64_t c = 0; c < in[1]; ++c) {
            for (int64_t i = 0; i < k; ++i) {
              for (int64_t j = 0; j < k; ++j) {
                const int64_t row = h + i - pad, column = v + j - pad;
                if (row < 0 || row >= in[2] || column < 0 || column >= in[3]) continue;
                sum += xs[static_cast<size_t>(((n * in[1] + c) * in[2] + row) * in[3] + column)] *
                       ws[static_cast<size_t>(((o * in[1] + c) * k + i) * k + j)];
              }
            }
          }
          const float bias = layer.bias.empty() ? 0.0f : layer.bias.data<float>()[static_cast<size_t>(o)];
          target[at++] = dequantize(sum, layer.input.grids[0].scale, layer.weight, static_cast<size_t>(o), bias);
        }
      }
    }
  }
  return y;
}

// [M, K] x [K, N].
Tensor integer_gemm(const Tensor& x, const Tensor& w, const Layer& layer) {
  const auto xs = quant::quantize_levels(x, layer.input), ws = quant::quantize_levels(w, layer.weight);
  const int64_t m = x.shape()[0], k = x.shape()[1], n = w.shape()[1];
  Tensor y(DType::kFloat32, {m, n});
  auto target = y.mutable_data<float>();
  for (int64_t r = 0; r < m; ++r) {
    for (int64_t c = 0; c < n; ++c) {
      int64_t sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += xs[static_cast<size_t>(r * k + i)] * ws[static_cast<size_t>(i * n + c)];
      const float bias = layer.bias.empty() ? 0.0f : layer.bias.data<float>()[static_cast<size_t>(c)];
      target[static_cast<size_t>(r * n + c)] = dequantize(sum, layer.input.grids[0].scale, layer.weight, static_cast<size_t>(c), bias);
    }
  }
  return y;
}

struct ProductCase {
  std::string name;
  int activation_bits;
  double lo, hi;         // of the activation
  int weight_bits;
  bool symmetric, per_channel, bias;
  int64_t channels, outputs;
};

const ProductCase kCases[] = {
    {"U8ByS8PerChannel", 8, -1.0, 3.0, 8, true, true, true, 20, 24},
    {"U8ByU8", 8, 0.0, 2.0, 8, false, false, true, 16, 5},
    {"U8ByU8PerChannelNoBias", 8, -2.0, 2.0, 8, false, true, false, 3, 16},
    {"U8ByS4", 8, 0.0, 2.0, 4, true, true, true, 16, 16},
    {"U16ByS8", 16, -1.0, 3.0, 8, true, true, true, 20, 24},
    {"LongRowsPassTheBoundOf2To24", 8, 0.0, 2.0, 8, true, true, true, 256, 8},
    {"LongRows16Bit", 16, -2.0, 2.0, 8, true, true, true, 200, 9},
};

// Weights near the ends of their range and inputs of one sign make sums as large as they get.
Tensor extreme_weights(Shape shape) {
  Tensor w = random_tensor(std::move(shape), 5, 0.7f, 1.0f);
  unsigned i = 0;
  for (float& value : w.mutable_data<float>()) {
    if (++i % 11 == 0) value = -value;
  }
  return w;
}

class IntegerProducts : public ::testing::TestWithParam<ProductCase> {};

TEST_P(IntegerProducts, ConvEqualsInt64Arithmetic) {
  const ProductCase& c = GetParam();
  GraphBuilder b;
  const Tensor weights = extreme_weights({c.outputs, c.channels, 3, 3});
  const auto x = b.input("x", {1, c.channels, 5, 4});
  const auto w = b.constant("w", weights);
  std::vector<ir::ValueId> inputs = {x, w};
  Layer layer{.input = grid(c.lo, c.hi, c.activation_bits),
              .weight = weight_grid(weights, c.per_channel ? 0 : -1, c.symmetric, c.weight_bits)};
  if (c.bias) {
    layer.bias = random_tensor({c.outputs}, 77);
    inputs.push_back(b.constant("b", layer.bias));
  }
  b.output(b.node("Conv", inputs, "y", {{"pads", Ints{1, 1, 1, 1}}}));
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[x] = {.encoding = layer.input};
  table[w] = {.encoding = layer.weight};
  const auto data = random_tensor({1, c.channels, 5, 4}, 3, static_cast<float>(c.lo), static_cast<float>(c.hi));
  const Tensor expected = integer_conv(data, weights, layer, 1);
  for (const std::string& isa : available_isas()) {
    const IsaScope scope(isa);
    for (const int threads : {1, 2}) {
      const Executor executor(graph, {.intra_threads = threads, .encodings = &table});
      EXPECT_EQ(0u, executor.summary().reference_steps);
      expect_identical(expected, executor.new_session().run({data})[0], isa);
    }
  }
}

TEST_P(IntegerProducts, GemmEqualsInt64Arithmetic) {
  const ProductCase& c = GetParam();
  const int64_t k = c.channels * 9;
  for (const bool transposed : {false, true}) {
    GraphBuilder b;
    const Tensor weights = extreme_weights({k, c.outputs});
    Tensor stored = weights;
    if (transposed) {
      stored = Tensor(DType::kFloat32, {c.outputs, k});
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < c.outputs; ++j) {
          stored.mutable_data<float>()[static_cast<size_t>(j * k + i)] = weights.data<float>()[static_cast<size_t>(i * c.outputs + j)];
        }
      }
    }
    const auto x = b.input("x", {3, k});
    const auto w = b.constant("w", stored);
    std::vector<ir::ValueId> inputs = {x, w};
    Layer layer{.input = grid(c.lo, c.hi, c.activation_bits),
                .weight = weight_grid(weights, c.per_channel ? 1 : -1, c.symmetric, c.weight_bits)};
    if (c.bias) {
      layer.bias = random_tensor({c.outputs}, 78);
      inputs.push_back(b.constant("b", layer.bias));
    }
    b.output(b.node("Gemm", inputs, "y", {{"transB", int64_t{transposed}}}));
    const ir::Graph graph = b.build().graph;
    EncodingTable table;
    table[x] = {.encoding = layer.input};
    table[w] = {.encoding = weight_grid(stored, c.per_channel ? (transposed ? 0 : 1) : -1, c.symmetric, c.weight_bits)};
    const auto data = random_tensor({3, k}, 4, static_cast<float>(c.lo), static_cast<float>(c.hi));
    const Tensor expected = integer_gemm(data, weights, layer);
    for (const std::string& isa : available_isas()) {
      const IsaScope scope(isa);
      for (const int threads : {1, 2}) {
        const Executor executor(graph, {.intra_threads = threads, .encodings = &table});
        EXPECT_EQ(0u, executor.summary().reference_steps);
        expect_identical(expected, executor.new_session().run({data})[0], isa + (transposed ? " transB" : ""));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, IntegerProducts, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(Simulation, ProductsThatCannotBeKeptExactAreCounted) {
  GraphBuilder b;
  const auto x = b.input("x", {2, 600});
  const auto w = b.random("w", {600, 5});
  b.output(b.node("MatMul", {x, w}, "y"));
  const ir::Graph graph = b.build().graph;
  const Layer layer{.input = grid(-1, 3, 16), .weight = weight_grid(*graph.constant(w), -1, true, 16)};
  EncodingTable table;
  table[x] = {.encoding = layer.input};
  table[w] = {.encoding = layer.weight};
  const Executor executor(graph, {.encodings = &table});
  EXPECT_EQ(1u, executor.summary().inexact_products);
  const auto inputs = random_inputs(graph, 6);
  expect_close(integer_gemm(inputs[0], *graph.constant(w), layer), executor.new_session().run(inputs)[0], "y");
}

// The output channels of a group lie on axis 1 of its own slice of the weight.
TEST(Simulation, GroupedConvTransposeIsComputedInFloatAndCounted) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 8, 4, 4});
  const auto w = b.random("w", {8, 4, 2, 2});
  const auto y = b.node("ConvTranspose", {x, w}, "y", {{"group", int64_t{2}}, {"strides", Ints{2, 2}}});
  b.output(y);
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[x] = {.encoding = grid(-2, 2)};
  table[w] = {.encoding = weight_grid(*graph.constant(w), -1, true)};
  const Executor executor(graph, {.encodings = &table});
  EXPECT_EQ(1u, executor.summary().inexact_products);
  const auto inputs = random_inputs(graph, 6);
  const Tensor xq = on_grid(inputs[0], table[x].encoding), wq = on_grid(*graph.constant(w), table[w].encoding);
  const ir::Node& node = graph.node(graph.producer(y));
  const auto expected = ops::evaluate_node(ops::builtin_registry().at(node), ops::EvalContext(node, {&xq, &wq}));
  expect_close(expected[0], executor.new_session().run(inputs)[0], "y");
}

TEST(Simulation, ReluBehindAConvolutionIsFusedIntoTheExactProduct) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 8, 4, 4});
  const auto w = b.random("w", {8, 8, 1, 1});
  const auto inner = b.node("Conv", {x, w}, "inner");
  b.output(b.node("Relu", {inner}, "y"));
  const ir::Graph graph = b.build().graph;
  const Layer layer{.input = grid(-2, 2), .weight = weight_grid(*graph.constant(w), 0, true)};
  EncodingTable table;
  table[x] = {.encoding = layer.input};
  table[w] = {.encoding = layer.weight};
  table[graph.outputs[0]] = {.encoding = grid(0, 5)};
  const auto data = random_inputs(graph, 1);
  Tensor expected = integer_conv(data[0], *graph.constant(w), layer, 0);
  for (float& value : expected.mutable_data<float>()) value = std::max(value, 0.0f);
  const Executor executor(graph, {.encodings = &table});
  EXPECT_EQ(2u, executor.summary().steps);  // into channel blocks; Conv with Relu
  expect_identical(on_grid(expected, table[graph.outputs[0]].encoding), executor.new_session().run(data)[0], "y");
}

}  // namespace
}  // namespace qtool::exec::testing
