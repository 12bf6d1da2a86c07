// Simulation: products on integer levels against 64-bit integer arithmetic, and values on their grids.
#include "isa_scope.h"
#include "qtool/ops/registry.h"
#include "random_simulation.h"

namespace qtool::exec::testing {
namespace {

Tensor on_grid(const Tensor& tensor, const Encoding& encoding) { return quant::fake_quantize(tensor, encoding); }

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

// ---- views ------------------------------------------------------------------------------------------------------

struct ViewCase {
  std::string name;
  std::function<std::vector<ir::ValueId>(GraphBuilder&, ir::ValueId)> make;
};

const ViewCase kViews[] = {
    {"Reshape", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Reshape", {x, b.constant("s", ints({1, 256}))}, "r")};
     }},
    {"Identity", [](GraphBuilder& b, ir::ValueId x) { return std::vector{b.node("Identity", {x}, "r")}; }},
    {"UnitTranspose", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Transpose", {x}, "r", {{"perm", Ints{1, 0, 2, 3}}})};
     }},
    {"Split", [](GraphBuilder& b, ir::ValueId x) {
       return b.nodes("Split", {x, b.constant("s", ints({16, 16}))}, {"r", "q"}, {{"axis", int64_t{1}}});
     }},
    {"Slice", [](GraphBuilder& b, ir::ValueId x) {
       return std::vector{b.node("Slice", {x, b.constant("f", ints({16})), b.constant("t", ints({32})), b.constant("a", ints({1}))}, "r")};
     }},
};

class ViewsOnAnotherGrid : public ::testing::TestWithParam<ViewCase> {};

// x, also behind a convolution that leaves it in channel blocks, is read again after its view went to a coarser grid.
TEST_P(ViewsOnAnotherGrid, DoNotDisturbTheirInput) {
  for (const bool behind_conv : {false, true}) {
    for (const bool input_on_grid : {false, true}) {
      GraphBuilder b;
      const auto in = b.input("in", {1, 32, 2, 4});
      const auto x = behind_conv ? conv(b, in, 32, 32, "x") : in;
      const auto views = GetParam().make(b, x);
      for (const auto view : views) b.output(view);
      b.output(b.node("Neg", {x}, "again"));
      const ir::Graph graph = b.build().graph;
      EncodingTable table;
      if (input_on_grid) table[x] = {.encoding = grid(-2, 2)};
      table[views[0]] = {.encoding = grid(-1, 1, 3)};
      if (views.size() > 1) table[views[1]] = {.encoding = grid(-1, 2, 4)};
      const auto inputs = random_inputs(graph, 9);
      const Tensor untouched = inputs[0].clone();
      const Executor executor(graph, {.observed = {x}, .encodings = &table});
      Session session = executor.new_session();
      const Observation seen = run_observed(session, inputs);
      EXPECT_TRUE(untouched.identical(inputs[0])) << "the caller's tensor changed";
      const Tensor& source = seen.taps.at(x);
      if (input_on_grid) expect_identical(on_grid(source, table[x].encoding), source, "x");
      for (size_t i = 0; i < views.size(); ++i) {
        const ir::Node& node = graph.node(graph.producer(views[i]));
        std::vector<const Tensor*> operands = {&source};
        for (size_t k = 1; k < node.inputs.size(); ++k) operands.push_back(graph.constant(node.inputs[k]));
        const auto moved = ops::evaluate_node(ops::builtin_registry().at(node), ops::EvalContext(node, operands));
        expect_identical(on_grid(moved[i], table[views[i]].encoding), seen.outputs[i], graph.value(views[i]).name);
      }
      Tensor negated = source.clone();
      for (float& value : negated.mutable_data<float>()) value = -value;
      expect_identical(negated, seen.outputs.back(), "again");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ViewsOnAnotherGrid, ::testing::ValuesIn(kViews), [](const auto& info) { return info.param.name; });

TEST(Simulation, ViewOfAConstantOnAnotherGridLeavesTheConstantAlone) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16});
  const auto c = b.random("c", {4, 4});
  const auto r = b.node("Reshape", {c, b.constant("s", ints({1, 16}))}, "r");
  b.output(b.node("Add", {x, r}, "sum"));
  b.output(b.node("Neg", {c}, "negated"));
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[r] = {.encoding = grid(-1, 1, 3)};
  const auto inputs = random_inputs(graph, 2);
  Session session = Executor(graph, {.encodings = &table}).new_session();
  const Tensor original = graph.constant(c)->clone();
  for (int round = 0; round < 2; ++round) {
    const auto outputs = session.run(inputs);
    for (size_t i = 0; i < 16; ++i) ASSERT_EQ(-original.data<float>()[i], outputs[1].data<float>()[i]);
  }
  EXPECT_TRUE(original.identical(*graph.constant(c)));
}

TEST(Simulation, ConcatOnAnotherGridThanItsPartsLeavesThePartsAlone) {
  GraphBuilder b;
  const auto in = b.input("in", {1, 16, 4, 4});
  const auto left = conv(b, in, 16, 16, "left"), right = conv(b, in, 16, 16, "right");
  const auto joined = b.node("Concat", {left, right}, "joined", {{"axis", int64_t{1}}});
  b.output(joined);
  b.output(b.node("Neg", {left}, "left_again"));
  const ir::Graph graph = b.build().graph;
  EncodingTable table;
  table[left] = {.encoding = grid(-2, 2)};
  table[right] = {.encoding = grid(-3, 3)};
  table[joined] = {.encoding = grid(-1, 3, 4)};
  Session session = Executor(graph, {.encodings = &table}).new_session();
  const Observation seen = [&] {
    Observation o;
    o.outputs = session.run(random_inputs(graph, 4), [&](ir::ValueId id, const PhysicalView& view) { o.taps[id] = to_tensor(view); });
    return o;
  }();
  // Nothing was observed; the parts are seen through a second executor of the same graph.
  EXPECT_TRUE(seen.taps.empty());
  Session watching = Executor(graph, {.observed = {left, right, joined}, .encodings = &table}).new_session();
  const Observation taps = run_observed(watching, random_inputs(graph, 4));
  expect_identical(taps.outputs[0], seen.outputs[0], "joined");
  Tensor both(DType::kFloat32, {1, 32, 4, 4});
  std::copy_n(taps.taps.at(left).data<float>().begin(), 256, both.mutable_data<float>().begin());
  std::copy_n(taps.taps.at(right).data<float>().begin(), 256, both.mutable_data<float>().begin() + 256);
  expect_identical(on_grid(both, table[joined].encoding), taps.outputs[0], "joined");
  for (size_t i = 0; i < 256; ++i) ASSERT_EQ(-taps.taps.at(left).data<float>()[i], taps.outputs[1].data<float>()[i]);
}

// ---- random networks ------------------------------------------------------------------------------------------

TEST(RandomSimulations, EveryValueIsItsNodeOnTheValuesBeforePutOnTheGrid) {
  int64_t elements = 0, off_by_one = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    const Simulated sim = random_simulation(seed);
    const ir::Graph& graph = sim.graph;
    SCOPED_TRACE(format("seed {}", seed));
    std::vector<ir::ValueId> observed;
    for (const auto& [id, entry] : sim.table) {
      if (!graph.is_constant(id)) observed.push_back(id);
    }
    const auto inputs = random_inputs(graph, seed);
    Session session = Executor(graph, {.observed = observed, .encodings = &sim.table}).new_session();
    const Observation seen = run_observed(session, inputs);
    std::map<ir::ValueId, Tensor> values = seen.taps;
    for (size_t i = 0; i < inputs.size(); ++i) values.emplace(graph.inputs[i], inputs[i]);
    for (const ir::ValueId id : graph.value_ids()) {
      if (const Tensor* constant = graph.constant(id)) {
        const auto* encoding = model::find_encoding(sim.table, id);
        values[id] = encoding != nullptr ? on_grid(*constant, *encoding) : *constant;
      }
    }
    for (const ir::NodeId node_id : graph.topological_order()) {
      const ir::Node& node = graph.node(node_id);
      std::vector<const Tensor*> operands;
      for (const ir::ValueId id : node.inputs) operands.push_back(id == ir::kNoValue ? nullptr : &values.at(id));
      const auto results = ops::evaluate_node(ops::builtin_registry().at(node), ops::EvalContext(node, operands));
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const ir::ValueId id = node.outputs[i];
        const auto tapped = seen.taps.find(id);
        if (tapped == seen.taps.end()) {
          values[id] = results[i].clone();
          continue;
        }
        const Encoding& encoding = sim.table.at(id).encoding;
        expect_identical(on_grid(tapped->second, encoding), tapped->second, "grid of " + graph.value(id).name);
        const Tensor want = on_grid(results[i], encoding);
        // Float sums may fall on the other side of a rounding boundary: one level, and rarely. The float tolerance
        // counts for 16-bit grids, whose levels are close together.
        double largest = 0.0;
        for (const float v : results[i].data<float>()) largest = std::max(largest, std::abs(double{v}));
        const double allowed = encoding.grids[0].scale * 1.001 + kRelativeToMax * largest;
        for (size_t e = 0; e < want.data<float>().size(); ++e) {
          const double difference = std::abs(double{want.data<float>()[e]} - double{tapped->second.data<float>()[e]});
          ++elements;
          off_by_one += difference > 0.0;
          ASSERT_LE(difference, allowed) << graph.value(id).name << " element " << e << "\n" << graph.to_text();
        }
      }
    }
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const auto tapped = seen.taps.find(graph.outputs[i]);
      if (tapped != seen.taps.end()) expect_identical(tapped->second, seen.outputs[i], "output");
    }
    if (::testing::Test::HasFailure()) FAIL() << graph.to_text();
  }
  EXPECT_LT(static_cast<double>(off_by_one), 0.002 * static_cast<double>(elements));
}

// With every value on a grid all that is left are integer products and correctly rounded operations. Window averages
// and grouped transposed convolutions are sums in float, whose order the library chooses.
bool sums_floats(const ir::Graph& graph) {
  const auto ids = graph.node_ids();
  return std::any_of(ids.begin(), ids.end(), [&](ir::NodeId id) {
    const ir::Node& node = graph.node(id);
    return node.op_type == "AveragePool" || (node.op_type == "ConvTranspose" && node.attr_int("group", 1) > 1);
  });
}

TEST(RandomSimulations, BitsDoNotDependOnTheInstructionSetOrTheThreads) {
  int compared = 0;
  for (unsigned seed = 501; seed <= 530; ++seed) {
    const Simulated sim = random_simulation(seed, EncodedShare::kAll);
    if (sums_floats(sim.graph)) continue;
    ++compared;
    const auto inputs = random_inputs(sim.graph, seed);
    std::vector<Tensor> expected;
    for (const std::string& isa : available_isas()) {
      const IsaScope scope(isa);
      const int threads = isa == "generic" ? 1 : 2;
      const Executor executor(sim.graph, {.intra_threads = threads, .encodings = &sim.table});
      EXPECT_EQ(0u, executor.summary().inexact_products) << "seed " << seed;
      const auto outputs = executor.new_session().run(inputs);
      if (expected.empty()) expected = outputs;
      for (size_t i = 0; i < outputs.size(); ++i) {
        ASSERT_TRUE(expected[i].identical(outputs[i]))
            << "seed " << seed << " " << isa << " output " << i << "\n" << sim.graph.to_text();
      }
    }
  }
  EXPECT_GT(compared, 10);
}

}  // namespace
}  // namespace qtool::exec::testing
