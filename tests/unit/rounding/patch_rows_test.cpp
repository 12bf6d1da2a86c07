// Rows times weights must be what the reference kernels compute, for every kind of layer.
#include "patch_rows.h"

#include <gtest/gtest.h>

#include <numeric>

#include "layer_product.h"
#include "qtool/ops/interpreter.h"
#include "support/graph_builder.h"

namespace qtool::rounding {
namespace {

using testing::Attributes;
using testing::GraphBuilder;
using testing::Ints;
using testing::random_tensor;

struct Case {
  const char* op;
  Shape input, weight;
  Attributes attributes;
};

void expect_rows_times_weights_is_the_layer(const Case& c) {
  GraphBuilder b;
  const auto x = b.input("x", c.input);
  const auto y = b.node(c.op, {x, b.random("w", c.weight)}, "y", c.attributes);
  b.output(y);
  model::ModelState state = b.build();
  state.encodings[state.graph.find_value("w")].encoding = quant::encoding_from_ranges({}, std::vector<quant::Range>{{-2.0, 2.0}});
  const LayerList layers = find_layers(state);
  ASSERT_EQ(layers.sites.size(), 1u);
  const LayerSite& site = layers.sites[0];
  const std::vector<float> matrix = weight_matrix(site, *state.graph.constant(site.weight));
  EXPECT_TRUE(weight_tensor(site, c.weight, matrix).identical(*state.graph.constant(site.weight)));

  const Tensor input = random_tensor(c.input, 7);
  const PatchRows patches(state.graph, site);
  std::vector<int64_t> pixels(static_cast<size_t>(patches.pixels()));
  std::iota(pixels.begin(), pixels.end(), int64_t{0});
  std::vector<float> rows(pixels.size() * static_cast<size_t>(site.shape.row()));
  patches.gather_inputs(input.data<float>(), pixels, rows.data());
  std::vector<float> out(pixels.size() * static_cast<size_t>(site.shape.channels()));
  layer_product(site.shape, matrix, {}, rows.data(), patches.pixels(), out.data());

  const Tensor expected = ops::interpret(state.graph, ops::builtin_registry(), std::vector<Tensor>{input})[0];
  ASSERT_EQ(static_cast<size_t>(expected.element_count()), out.size());
  patches.add_outputs(expected.data<float>(), pixels, -1.0f, out.data());
  for (const float difference : out) ASSERT_NEAR(difference, 0.0f, 2e-4f);
}

TEST(PatchRows, Conv) {
  expect_rows_times_weights_is_the_layer({"Conv", {1, 4, 7, 6}, {6, 4, 3, 3}, {{"pads", Ints{1, 0, 2, 1}}, {"strides", Ints{2, 1}}}});
}
TEST(PatchRows, DilatedGroupedConvOfSeveralImages) {
  expect_rows_times_weights_is_the_layer({"Conv", {2, 4, 9, 8}, {6, 2, 3, 2}, {{"group", int64_t{2}}, {"dilations", Ints{2, 3}}, {"pads", Ints{2, 2, 2, 2}}}});
}
TEST(PatchRows, DepthwiseConv) {
  expect_rows_times_weights_is_the_layer({"Conv", {1, 5, 6, 6}, {5, 1, 3, 3}, {{"group", int64_t{5}}, {"pads", Ints{1, 1, 1, 1}}}});
}
TEST(PatchRows, ConvOverOneAndThreeAxes) {
  expect_rows_times_weights_is_the_layer({"Conv", {1, 3, 9}, {2, 3, 4}, {{"strides", Ints{2}}}});
  expect_rows_times_weights_is_the_layer({"Conv", {1, 2, 4, 5, 3}, {3, 2, 2, 3, 2}, {{"pads", Ints{1, 0, 1, 0, 1, 0}}}});
}
TEST(PatchRows, ConvTranspose) {
  expect_rows_times_weights_is_the_layer({"ConvTranspose", {1, 4, 4, 3}, {4, 3, 3, 3}, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 0, 1}}, {"output_padding", Ints{1, 0}}}});
}
TEST(PatchRows, GroupedConvTranspose) {
  expect_rows_times_weights_is_the_layer({"ConvTranspose", {1, 4, 4, 4}, {4, 3, 2, 2}, {{"group", int64_t{2}}, {"strides", Ints{2, 3}}, {"dilations", Ints{2, 1}}}});
}
TEST(PatchRows, MatrixProducts) {
  expect_rows_times_weights_is_the_layer({"MatMul", {1, 5, 6}, {6, 4}, {}});
  expect_rows_times_weights_is_the_layer({"Gemm", {3, 6}, {6, 4}, {}});
  expect_rows_times_weights_is_the_layer({"Gemm", {3, 6}, {4, 6}, {{"transB", int64_t{1}}}});
}

}  // namespace
}  // namespace qtool::rounding
