// Files of every kind as one document: detection, lenient reading, strict writing, conversion between kinds.
#include "qtool/exporters/encodings_document.h"

#include <gtest/gtest.h>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "support/graph_builder.h"

namespace qtool::exporters {
namespace {

using qtool::testing::GraphBuilder;
using quant::Encoding;
using quant::QuantSpec;
using quant::Range;
using quant::Symmetry;

#define EXPECT_CONTAINS(text, part) EXPECT_NE(std::string::npos, std::string(text).find(part)) << (text)

Encoding encoding(QuantSpec spec, std::vector<Range> ranges, size_t channels = 0) { return quant::encoding_from_ranges(spec, ranges, channels); }

DocumentEntry entry(std::string name, EncodingsSection section, Encoding e, size_t rank = 4) {
  DocumentEntry result{.name = std::move(name), .section = section};
  result.bits = e.bits;
  result.encoding = std::move(e);
  result.axis_known = true;
  result.rank = rank;
  return result;
}

constexpr auto kActivation = EncodingsSection::kActivation;
constexpr auto kParameter = EncodingsSection::kParameter;

// Integer tensors of the kinds that a simulator writes by default.
EncodingsDocument integer_document() {
  EncodingsDocument document;
  document.entries.push_back(entry("image", kActivation, encoding({.bits = 8}, {{-1.2345678901234567, 3.3}})));
  document.entries.push_back(entry("wide", kActivation, encoding({.bits = 16}, {{-1e-3, 1e3}})));
  document.entries.push_back(entry("one sided", kActivation, encoding({.bits = 8}, {{0.0, 0.1}})));
  document.entries.push_back(entry("negative", kActivation, encoding({.bits = 8}, {{-4.0, 0.0}})));
  document.entries.push_back(entry("w", kParameter, encoding({.bits = 8, .symmetry = Symmetry::kSymmetric, .channel_axis = 0}, {{-1, 1}, {-0.3, 0.2}, {0, 1e-3}})));
  document.entries.push_back(entry("w4", kParameter, encoding({.bits = 4, .symmetry = Symmetry::kSymmetric, .channel_axis = 0}, {{-1, 1}, {-0.3, 0.2}})));
  document.entries.push_back(entry("tensor", kParameter, encoding({.bits = 8, .symmetry = Symmetry::kSymmetric}, {{-0.7, 0.5}})));
  document.entries.push_back(entry("b", kParameter, quant::bias_encoding(0.02, document.entries[4].encoding, 3)));
  return document;
}

void expect_same_tensors(const EncodingsDocument& a, const EncodingsDocument& b) {
  ASSERT_EQ(a.entries.size(), b.entries.size());
  for (const DocumentEntry& mine : a.entries) {
    const auto at = std::find_if(b.entries.begin(), b.entries.end(), [&](const DocumentEntry& e) { return e.name == mine.name; });
    ASSERT_NE(at, b.entries.end()) << mine.name;
    EXPECT_EQ(mine.section, at->section) << mine.name;
    EXPECT_EQ(mine.encoding.bits, at->encoding.bits) << mine.name;
    EXPECT_EQ(mine.encoding.is_symmetric, at->encoding.is_symmetric) << mine.name;
    ASSERT_EQ(mine.encoding.grids.size(), at->encoding.grids.size()) << mine.name;
    for (size_t i = 0; i < mine.encoding.grids.size(); ++i) {
      EXPECT_EQ(mine.encoding.grids[i].scale, at->encoding.grids[i].scale) << mine.name;  // to the bit
      EXPECT_EQ(mine.encoding.grids[i].offset, at->encoding.grids[i].offset) << mine.name;
    }
  }
}

TEST(ConvertEncodings, IntegerTensorsComeBackEqualThroughEveryVersion) {
  const EncodingsDocument original = integer_document();
  EncodingsDocument at = original;
  for (const EncodingsFormat step : {EncodingsFormat::kAimet061, EncodingsFormat::kAimet100, EncodingsFormat::kAimet200, EncodingsFormat::kAimet061,
                                     EncodingsFormat::kAimet210, EncodingsFormat::kOverrides}) {
    const WrittenEncodings written = render_encodings(at, step);
    at = parse_encodings(written.text, std::string(format_name(step)));
    EXPECT_EQ(step, at.format);
    EXPECT_TRUE(at.warnings.empty()) << at.warnings.front();
  }
  const WrittenEncodings last = render_encodings(at, EncodingsFormat::kAimet061);
  expect_same_tensors(original, parse_encodings(last.text, "last"));
}

TEST(ConvertEncodings, LossesAreToldByKindWithTheFirstTensor) {
  EncodingsDocument document;
  document.entries.push_back(entry("strict", kParameter, encoding({.bits = 8, .symmetry = Symmetry::kStrictSymmetric}, {{-1, 1}})));
  document.entries.push_back(entry("six", kParameter, encoding({.bits = 6, .symmetry = Symmetry::kSymmetric}, {{-1, 1}})));
  document.entries.push_back({.name = "kept", .section = kActivation, .kind = DocumentEntry::Kind::kFloat, .bits = 16});
  const WrittenEncodings written = render_encodings(document, EncodingsFormat::kAimet200);
  ASSERT_EQ(3u, written.losses.size());
  EXPECT_CONTAINS(written.losses[0], "strict symmetric");
  EXPECT_CONTAINS(written.losses[1], "6-bit");
  EXPECT_CONTAINS(written.losses[2], "'kept'");
  EXPECT_TRUE(render_encodings(document, EncodingsFormat::kAimet061).losses.empty());
  EXPECT_TRUE(render_encodings(document, EncodingsFormat::kAimet100).losses.empty());
}

TEST(ConvertEncodings, BlocksHaveNoFormInTheOldLayout) {
  EncodingsDocument document;
  document.entries.push_back(entry("blocks", kParameter,
                                   encoding({.bits = 4, .symmetry = Symmetry::kSymmetric, .channel_axis = 0, .block_axis = 1, .block_size = 2},
                                            {{-1, 1}, {-2, 2}, {-3, 3}, {-4, 4}}), 2));
  document.entries[0].channels = 2;
  for (const EncodingsFormat old : {EncodingsFormat::kAimet061, EncodingsFormat::kOverrides}) {
    try {
      (void)render_encodings(document, old);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(ErrorCode::kInvalidData, error.code());
      EXPECT_CONTAINS(error.what(), "tensor: blocks");
    }
  }
}

// Two channels, three blocks of each; the scale of a block is an integer times that of its channel.
TEST(ConvertEncodings, LowPowerBlocksSurviveAllVersionsThatHaveThem) {
  const QuantSpec spec{.bits = 4, .symmetry = Symmetry::kSymmetric, .channel_axis = 0, .block_axis = 1, .block_size = 8, .decompressed_bits = 8};
  EncodingsDocument document;
  document.entries.push_back(entry("w", kParameter, encoding(spec, {{-1, 1}, {-0.5, 0.2}, {-0.01, 0.01}, {-4, 4}, {-3, 3}, {-2, 2}}, 2)));
  document.entries[0].channels = 2;
  const quant::LowPowerScales& scales = *document.entries[0].encoding.low_power;
  EXPECT_EQ((std::vector<int64_t>{16, 8, 1, 16, 12, 8}), scales.block_scale);
  EXPECT_DOUBLE_EQ(4.0 / 7 / 16, scales.channel_scale[1]);
  for (const EncodingsFormat to : {EncodingsFormat::kAimet200, EncodingsFormat::kAimet210}) {
    const EncodingsDocument back = parse_encodings(render_encodings(document, to).text, "f");
    EXPECT_EQ(scales, back.entries[0].encoding.low_power);
    EXPECT_EQ(0, back.entries[0].encoding.channel_axis);
    EXPECT_EQ(1, back.entries[0].encoding.block_axis);
    EXPECT_EQ(8, back.entries[0].encoding.block_size);
  }
  const std::string flat = render_encodings(document, EncodingsFormat::kAimet100).text;
  EXPECT_CONTAINS(flat, "\"enc_type\": \"LPBQ\"");
  EXPECT_CONTAINS(flat, "\"compressed_bw\": 4");
  EXPECT_EQ(scales, parse_encodings(flat, "f").entries[0].encoding.low_power);
}

// ---- what other tools write -----------------------------------------------------------------------------------

DocumentEntry one(const std::string& text, std::vector<std::string>* warnings = nullptr) {
  EncodingsDocument document = parse_encodings(text, "f");
  if (warnings != nullptr) *warnings = document.warnings;
  EXPECT_EQ(1u, document.entries.size());
  return document.entries.at(0);
}

std::string version_1(const std::string& fields) {
  return format(R"({{"version": "1.0.0", "activation_encodings": [{{"name": "x", {}}}], "param_encodings": []}})", fields);
}
std::string version_2(const std::string& fields) { return format(R"({{"version": "2.0.0", "encodings": [{{"name": "x", {}}}]}})", fields); }

TEST(ReadVersion1, OffsetsMayBeFloatsAndScalesScalars) {
  const DocumentEntry e = one(version_1(R"("dtype": "INT", "enc_type": "PER_TENSOR", "bw": 8, "is_sym": false, "scale": 0.5, "offset": [-124.0])"));
  EXPECT_EQ(0.5, e.encoding.grids[0].scale);
  EXPECT_EQ(-124, e.encoding.grids[0].offset);
}

TEST(ReadVersion1, BothSpellingsOfFloat) {
  for (const char* word : {"FLOAT", "FP", "float"}) {
    const DocumentEntry e = one(version_1(format(R"("dtype": "{}", "bw": 16)", word)));
    EXPECT_EQ(DocumentEntry::Kind::kFloat, e.kind);
    EXPECT_EQ(16, e.bits);
  }
}

TEST(ReadVersion2, SignednessIsInTheType) {
  const DocumentEntry is_signed = one(version_2(R"("output_dtype": "int8", "y_scale": 0.25)"));
  EXPECT_TRUE(is_signed.encoding.is_symmetric);
  EXPECT_EQ(-128, is_signed.encoding.grids[0].offset);
  const DocumentEntry is_unsigned = one(version_2(R"("output_dtype": "uint8", "y_scale": 0.25, "y_zero_point": 7)"));
  EXPECT_FALSE(is_unsigned.encoding.is_symmetric);
  EXPECT_EQ(-7, is_unsigned.encoding.grids[0].offset);
}

TEST(ReadVersion2, ANegativeZeroPointOfAnUnsignedTypeIsAnOffset) {
  std::vector<std::string> warnings;
  const DocumentEntry e = one(version_2(R"("output_dtype": "uint8", "y_scale": [0.25], "y_zero_point": [-7])"), &warnings);
  EXPECT_EQ(-7, e.encoding.grids[0].offset);
  ASSERT_EQ(1u, warnings.size());
  EXPECT_CONTAINS(warnings[0], "'x'");
}

TEST(ReadOverrides, ZeroPointsBoundsAloneAndWidthsAlone) {
  const std::string text = R"({"activation_encodings": {
      "a": [{"bitwidth": 8, "min": -5.0, "max": 122.5, "scale": 0.5, "offset": 10}],
      "b": [{"bitwidth": 8, "min": -1.0, "max": 254.0}],
      "c": [{"bitwidth": 16, "dtype": "int"}],
      "d": [{"bitwidth": 16, "dtype": "float"}]}, "param_encodings": {}})";
  const EncodingsDocument document = parse_encodings(text, "f");
  EXPECT_EQ(EncodingsFormat::kOverrides, document.format);
  EXPECT_EQ(-10, document.entries[0].encoding.grids[0].offset);
  EXPECT_EQ(1.0, document.entries[1].encoding.grids[0].scale);
  EXPECT_EQ(DocumentEntry::Kind::kPrecision, document.entries[2].kind);
  EXPECT_EQ(DocumentEntry::Kind::kFloat, document.entries[3].kind);
}

TEST(WriteOverrides, BoundsGiveTheGridBack) {
  const EncodingsDocument document = integer_document();
  const EncodingsDocument back = parse_encodings(render_encodings(document, EncodingsFormat::kOverrides).text, "f");
  for (size_t i = 0; i < back.entries.size(); ++i) {
    const Encoding& e = back.entries[i].encoding;
    for (size_t c = 0; c < e.grids.size(); ++c) {  // what a converter does that ignores scale and offset
      const double scale = (e.max(c) - e.min(c)) / static_cast<double>(e.level_count());
      EXPECT_NEAR(scale, e.grids[c].scale, 1e-6 * scale);
      EXPECT_EQ(std::llround(e.min(c) / scale), e.grids[c].offset);
    }
  }
}

TEST(WriteOverrides, AWidthThatTheConverterDoesNotHaveIsRefused) {
  EncodingsDocument document;
  document.entries.push_back(entry("six", kParameter, encoding({.bits = 6, .symmetry = Symmetry::kSymmetric}, {{-1, 1}})));
  EXPECT_THROW((void)render_encodings(document, EncodingsFormat::kOverrides), Error);
}

TEST(ReadAnyVersion, MalformedFilesAreRefusedAsDataNamingTheTensor) {
  for (const char* fields : {R"("dtype": "INT", "bw": 8, "scale": [0.0], "offset": [0])", R"("dtype": "INT", "bw": 8, "scale": [1.0, 2.0], "offset": [0])",
                             R"("dtype": "INT", "bw": 8, "scale": [])", R"("dtype": "INT", "bw": 77, "scale": [1.0])", R"("dtype": "COMPLEX", "bw": 8)",
                             R"("dtype": "INT", "bw": 8, "scale": ["a"])", R"("dtype": "INT", "bw": 8, "enc_type": "LPBQ", "scale": [1.0])",
                             R"("dtype": "INT", "bw": 2, "scale": [1.0], "offset": [0], "zero_point_shift": [-0.5])"}) {
    try {
      (void)parse_encodings(version_1(fields), "file.json");
      ADD_FAILURE() << fields;
    } catch (const Error& error) {
      EXPECT_EQ(ErrorCode::kInvalidData, error.code()) << error.what();
      EXPECT_CONTAINS(error.what(), "file.json");
      EXPECT_CONTAINS(error.what(), "tensor: x");
    }
  }
  for (const char* fields : {R"("output_dtype": "int9", "y_scale": 1.0)", R"("output_dtype": "uint8", "y_scale": [1.0, 2.0])", R"("output_dtype": "uint8")",
                             R"("output_dtype": "uint8", "y_scale": -1.0)", R"("output_dtype": "uint8", "y_scale": [1.0, 1.0], "y_zero_point": [1, 2, 3], "axis": 0)",
                             R"("output_dtype": "int4", "y_scale": [1.0], "axis": 1, "block_size": 4)", R"("y_scale": 1.0)"}) {
    EXPECT_THROW((void)parse_encodings(version_2(fields), "f"), Error) << fields;
  }
}

TEST(ReadAnyVersion, ATensorWithTwoEntriesIsRefused) {
  const std::string row = R"({"name": "x", "output_dtype": "uint8", "y_scale": 1.0})";
  EXPECT_THROW((void)parse_encodings(format(R"({{"version": "2.0.0", "encodings": [{}, {}]}})", row, row), "f"), Error);
}

TEST(ReadAnyVersion, AForeignVersionIsReadByItsLayoutWithAWarning) {
  const EncodingsDocument document = parse_encodings(R"({"version": "0.5.0", "activation_encodings": {"x": [{"bitwidth": 8, "scale": 1.0, "offset": 0}]}, "param_encodings": {}})", "f");
  EXPECT_EQ(EncodingsFormat::kAimet061, document.format);
  ASSERT_EQ(1u, document.warnings.size());
  EXPECT_CONTAINS(document.warnings[0], "0.5.0");
}

TEST(SettleDocument, AxesOfBlocksFollowTheOperator) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 4, 4, 4});
  b.output(b.node("ConvTranspose", {x, b.random("v", {4, 3, 1, 1})}, "y"));
  const auto graph = b.build().graph;
  const std::string text = R"({"version": "1.0.0", "activation_encodings": [], "param_encodings": [
      {"name": "v", "dtype": "INT", "enc_type": "PER_BLOCK", "bw": 4, "is_sym": true, "scale": [1, 2, 3, 4, 5, 6],
       "offset": [-8, -8, -8, -8, -8, -8], "block_size": 2}]})";
  EncodingsDocument document = parse_encodings(text, "f");
  settle_document(document, graph, ops::builtin_registry(), "f");
  EXPECT_EQ(1, document.entries[0].encoding.channel_axis);
  EXPECT_EQ(0, document.entries[0].encoding.block_axis);
  EXPECT_EQ(3u, document.entries[0].channels);
  EXPECT_EQ(kParameter, document.entries[0].section);
  // Now the shape of version 2 is known, and the channels come back in their order.
  const EncodingsDocument back = parse_encodings(render_encodings(document, EncodingsFormat::kAimet200).text, "f");
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(static_cast<double>(i + 1), back.entries[0].encoding.grids[i].scale);
}

}  // namespace
}  // namespace qtool::exporters
