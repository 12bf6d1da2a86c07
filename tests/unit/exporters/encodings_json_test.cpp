// The 0.6.1 encodings file: written text, and what other tools' files may look like.
#include "qtool/exporters/encodings_json.h"

#include <gtest/gtest.h>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "support/graph_builder.h"

namespace qtool::exporters {
namespace {

using qtool::testing::GraphBuilder;
using qtool::testing::Ints;
using quant::Encoding;

// x -> Conv(w, b) -> y -> ConvTranspose(v) -> z
model::ModelState network() {
  GraphBuilder b;
  const auto x = b.input("x", {1, 2, 4, 4});
  const auto y = b.node("Conv", {x, b.random("w", {3, 2, 1, 1}), b.random("b", {3})}, "y");
  b.output(b.node("ConvTranspose", {y, b.random("v", {3, 2, 1, 1})}, "z"));
  return b.build();
}

const Encoding& encoding_of(const model::ModelState& state, const std::string& name) {
  return state.encodings.at(state.graph.find_value(name)).encoding;
}

void expect_equal(const Encoding& a, const Encoding& b, const std::string& what) {
  EXPECT_EQ(a.bits, b.bits) << what;
  EXPECT_EQ(a.is_symmetric, b.is_symmetric) << what;
  EXPECT_EQ(a.is_strict, b.is_strict) << what;
  EXPECT_EQ(a.channel_axis, b.channel_axis) << what;
  ASSERT_EQ(a.grids.size(), b.grids.size()) << what;
  for (size_t c = 0; c < a.grids.size(); ++c) {
    EXPECT_EQ(a.grids[c].scale, b.grids[c].scale) << what << " channel " << c;  // to the bit
    EXPECT_EQ(a.grids[c].offset, b.grids[c].offset) << what << " channel " << c;
  }
}

void put(model::ModelState& state, const std::string& name, Encoding encoding) {
  model::EncodingEntry& entry = state.encodings[state.graph.find_value(name)];
  entry.encoding = std::move(encoding);
  entry.source = "test";
}

AppliedEncodings read_into(model::ModelState& state, const std::string& text) {
  return apply_encodings(state, ops::builtin_registry(), text, "file.encodings");
}

std::string file(const std::string& activations, const std::string& parameters = "") {
  return format(R"({{"version": "0.6.1", "activation_encodings": {{{}}}, "param_encodings": {{{}}}}})", activations, parameters);
}

Encoding read_one(const std::string& entry) {
  model::ModelState state = network();
  (void)read_into(state, file(format(R"("x": [{}])", entry)));
  return encoding_of(state, "x");
}

std::string refusal(const std::string& text) {
  model::ModelState state = network();
  try {
    (void)read_into(state, text);
  } catch (const Error& error) {
    EXPECT_EQ(ErrorCode::kInvalidData, error.code());
    EXPECT_NE(std::string::npos, std::string(error.what()).find("file.encodings")) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return {};
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE(std::string::npos, std::string(text).find(part)) << (text)

TEST(WriteEncodings, IsByteForByteThis) {
  model::ModelState state = network();
  put(state, "x", {.bits = 8, .grids = {{0.5, -3}}});
  put(state, "w", {.bits = 8, .is_symmetric = true, .channel_axis = 0, .grids = {{0.25, -128}, {0.125, -128}, {1.0, -128}}});
  put(state, "b", {.bits = 32, .is_symmetric = true, .grids = {{0.125, -(int64_t{1} << 31)}}});
  // min = scale * offset, max = scale * (offset + 255); the int32 bias is left out.
  EXPECT_EQ(write_encodings_061(state, {.symmetric_weights = true, .per_channel = true}), R"({
  "version": "0.6.1",
  "activation_encodings": {
    "x": [
      {
        "bitwidth": 8,
        "dtype": "int",
        "is_symmetric": "False",
        "max": 126.0,
        "min": -1.5,
        "offset": -3,
        "scale": 0.5
      }
    ]
  },
  "param_encodings": {
    "w": [
      {
        "bitwidth": 8,
        "dtype": "int",
        "is_symmetric": "True",
        "max": 31.75,
        "min": -32.0,
        "offset": -128,
        "scale": 0.25
      },
      {
        "bitwidth": 8,
        "dtype": "int",
        "is_symmetric": "True",
        "max": 15.875,
        "min": -16.0,
        "offset": -128,
        "scale": 0.125
      },
      {
        "bitwidth": 8,
        "dtype": "int",
        "is_symmetric": "True",
        "max": 127.0,
        "min": -128.0,
        "offset": -128,
        "scale": 1.0
      }
    ]
  },
  "quantizer_args": {
    "activation_bitwidth": 8,
    "dtype": "int",
    "is_symmetric": "True",
    "param_bitwidth": 8,
    "per_channel_quantization": "True",
    "quant_scheme": "post_training_tf"
  }
}
)");
}

TEST(RoundTrip, GivesEqualEncodings) {
  model::ModelState state = network();
  const quant::Range wide{-1.2345678901234567, 3.3}, unsigned_range{0.0, 0.1}, channels[] = {{-1, 1}, {-0.3, 0.2}, {0, 1e-3}};
  put(state, "x", quant::encoding_from_ranges({.bits = 8}, {&wide, 1}));
  put(state, "y", quant::encoding_from_ranges({.bits = 16}, {&wide, 1}));
  put(state, "z", quant::encoding_from_ranges({.bits = 8, .symmetry = quant::Symmetry::kUnsignedSymmetric}, {&unsigned_range, 1}));
  put(state, "w", quant::encoding_from_ranges({.bits = 8, .symmetry = quant::Symmetry::kStrictSymmetric, .channel_axis = 0}, channels));
  put(state, "v", quant::encoding_from_ranges({.bits = 4, .symmetry = quant::Symmetry::kSymmetric, .channel_axis = 1}, {channels, 2}));
  put(state, "b", quant::bias_encoding(encoding_of(state, "x").grids[0].scale, encoding_of(state, "w"), 3));
  model::ModelState again = network();
  const AppliedEncodings applied = read_into(again, write_encodings_061(state, {}));
  EXPECT_EQ(5u, applied.in_file);
  EXPECT_EQ(5u, applied.applied);
  EXPECT_EQ(1u, applied.derived_biases);
  EXPECT_EQ(state.encodings.size(), again.encodings.size());
  for (const auto& [id, entry] : state.encodings) {
    expect_equal(entry.encoding, again.encodings.at(id).encoding, state.graph.value(id).name);
  }
}

TEST(ReadEncodings, MissingBoundsFollowFromScaleAndOffset) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "False", "offset": -10, "scale": 0.5})");
  EXPECT_EQ(0.5, e.grids[0].scale);
  EXPECT_EQ(-10, e.grids[0].offset);
  EXPECT_EQ(-5.0, e.min());
}

TEST(ReadEncodings, MissingScaleAndOffsetFollowFromTheBounds) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "False", "min": -1.0, "max": 254.0})");
  EXPECT_EQ(1.0, e.grids[0].scale);
  EXPECT_EQ(-1, e.grids[0].offset);
}

// A symmetric file bounds -128 s .. 127 s: the scale must come out as it went in.
TEST(ReadEncodings, SymmetricBoundsGiveTheirOwnScale) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "True", "min": -64.0, "max": 63.5})");
  EXPECT_DOUBLE_EQ(0.5, e.grids[0].scale);
  EXPECT_EQ(-128, e.grids[0].offset);
}

TEST(ReadEncodings, StrictSymmetricBoundsStayStrict) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "True", "min": -63.5, "max": 63.5})");
  EXPECT_DOUBLE_EQ(0.5, e.grids[0].scale);
  EXPECT_DOUBLE_EQ(63.5, e.max());
}

TEST(ReadEncodings, PositiveOffsetsAreZeroPoints) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "False", "min": -5.0, "max": 122.5, "offset": 10, "scale": 0.5})");
  EXPECT_EQ(-10, e.grids[0].offset);
}

TEST(ReadEncodings, PositiveOffsetsNeedNoBounds) {
  const Encoding e = read_one(R"({"bitwidth": 8, "is_symmetric": "False", "offset": 10, "scale": 0.5})");
  EXPECT_EQ(-10, e.grids[0].offset);
}

TEST(ReadEncodings, PositiveOffsetsThatContradictTheBoundsAreRefused) {
  EXPECT_CONTAINS(refusal(file(R"("x": [{"bitwidth": 8, "offset": 10, "scale": 0.5, "min": 5.0, "max": 132.5}])")), "tensor: x");
}

TEST(ReadEncodings, BooleansInEverySpelling) {
  for (const char* yes : {"\"True\"", "\"true\"", "true"}) {
    EXPECT_TRUE(read_one(format(R"({{"bitwidth": 8, "is_symmetric": {}, "offset": -128, "scale": 0.5}})", yes)).is_symmetric);
  }
  for (const char* no : {"\"False\"", "\"false\"", "false"}) {
    EXPECT_FALSE(read_one(format(R"({{"bitwidth": 8, "is_symmetric": {}, "offset": -128, "scale": 0.5}})", no)).is_symmetric);
  }
}

std::string entries(int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    list += format(R"({}{{"bitwidth": 8, "is_symmetric": "True", "offset": -128, "scale": 0.{}}})", i == 0 ? "" : ", ", i + 1);
  }
  return list;
}

TEST(ReadEncodings, ChannelAxisIsThatOfTheOperator) {
  model::ModelState state = network();
  (void)read_into(state, file("", format(R"("w": [{}], "v": [{}])", entries(3), entries(2))));
  EXPECT_EQ(0, encoding_of(state, "w").channel_axis);
  EXPECT_EQ(1, encoding_of(state, "v").channel_axis);
  EXPECT_EQ(0.3, encoding_of(state, "w").grids[2].scale);
}

TEST(ReadEncodings, WrongChannelCountIsRefused) {
  const std::string text = refusal(file("", format(R"("v": [{}])", entries(3))));
  EXPECT_CONTAINS(text, "tensor: v");
  EXPECT_CONTAINS(text, "3 entries");
}

TEST(ReadEncodings, UnknownNameGetsTheNearest) {
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("images", {1})}, "activated"));
  model::ModelState state = b.build();
  try {
    (void)read_into(state, file(R"("activatde": [{"bitwidth": 8, "offset": 0, "scale": 1}])"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_CONTAINS(error.what(), "'activated'");
    EXPECT_CONTAINS(error.what(), "tensor: activatde");
  }
}

TEST(ReadEncodings, MalformedFilesAreRefusedAsData) {
  EXPECT_CONTAINS(refusal("{"), "JSON");
  EXPECT_CONTAINS(refusal(""), "JSON");
  (void)refusal("[]");
  (void)refusal("{}");
  (void)refusal(R"({"activation_encodings": {}})");
  EXPECT_CONTAINS(refusal(R"({"activation_encodings": [], "param_encodings": []})"), "not a single");
  EXPECT_CONTAINS(refusal(R"({"activation_encodings": {}, "param_encodings": []})"), "0.6.1");
  (void)refusal(file(R"("x": {})"));
  (void)refusal(file(R"("x": [])"));
  (void)refusal(file(R"("x": [3])"));
  (void)refusal(file(R"("x": [{"bitwidth": "eight", "offset": 0, "scale": 1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 1, "offset": 0, "scale": 1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 33, "offset": 0, "scale": 1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "offset": 0, "scale": 0}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "offset": 0, "scale": -1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "offset": -300, "scale": 1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "offset": null, "scale": 1}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "min": 0, "max": 0}])"));
  (void)refusal(file(R"("x": [{"bitwidth": 8, "offset": 1e300, "scale": 1}])"));
  EXPECT_CONTAINS(refusal(file("", format(R"("w": [{}, 7, {}])", entries(1), entries(1)))), "tensor: w");
}

TEST(ReadEncodings, ChannelsOfDifferentBitWidthsAreRefused) {
  const std::string text = refusal(file("", R"("v": [{"bitwidth": 8, "offset": -1, "scale": 1}, {"bitwidth": 4, "offset": -1, "scale": 1}])"));
  EXPECT_CONTAINS(text, "tensor: v");
}

TEST(ReadEncodings, NothingAppliedIsAnError) {
  EXPECT_CONTAINS(refusal(file("")), "not a single");
  EXPECT_CONTAINS(refusal(file(R"("x": [{"bitwidth": 16, "dtype": "float"}])")), "not a single");
}

TEST(ReadEncodings, FloatEntriesArePassedOver) {
  model::ModelState state = network();
  const AppliedEncodings applied = read_into(state, file(R"("x": [{"bitwidth": 16, "dtype": "float"}],
                                                        "y": [{"bitwidth": 8, "offset": 0, "scale": 1}])"));
  EXPECT_EQ(2u, applied.in_file);
  EXPECT_EQ(1u, applied.applied);
  EXPECT_FALSE(state.encodings.contains(state.graph.find_value("x")));
}

}  // namespace
}  // namespace qtool::exporters
