// Files written by Qualcomm's own tools. They are not part of the repository: the tests look for them beside it
// and are skipped where they are absent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "qtool/container/dlc_reader.h"
#include "qtool/container/dlc_text.h"
#include "qtool/container/dlc_verify.h"
#include "qtool/container/dlc_writer.h"
#include "qtool/support/error.h"
#include "zip_archive.h"

namespace qtool::container {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

class GenuineDlc : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(folder())) GTEST_SKIP() << "no genuine DLC files at " << folder();
  }
  static fs::path folder() { return fs::path(QTOOL_SOURCE_DIR) / "../shared/data/dlc"; }
  static DlcFile read(const char* name) { return read_dlc(folder() / name); }
};

void expect_encoding(const DlcTensor& tensor, double scale, int32_t offset, double min, double max) {
  SCOPED_TRACE(tensor.name);
  EXPECT_EQ(tensor.dtype, DlcDtype::kUFixed8);
  ASSERT_EQ(tensor.encoding.entries.size(), 1u);
  const DlcEncodingEntry& entry = tensor.encoding.entries[0];
  EXPECT_NEAR(entry.scale, scale, 1e-7 * scale);  // the table gives eight digits
  EXPECT_EQ(entry.offset, offset);
  EXPECT_NEAR(entry.min, min, 1e-6);
  EXPECT_NEAR(entry.max, max, 1e-6);
}

// The table of the DLC container notes, section 8.
TEST_F(GenuineDlc, Snpe219DetectorReadsAsDocumented) {
  const DlcFile file = read("det_500m_quantized.dlc");
  EXPECT_EQ(file.parameter_format, "NR64");
  ASSERT_EQ(file.graphs.size(), 1u);
  const DlcGraphSummary summary = summarize_dlc(file).graphs[0];
  EXPECT_EQ(summary.op_count, 137u);
  EXPECT_EQ(summary.tensor_count, 256u);
  EXPECT_EQ(summary.static_count, 118u);
  EXPECT_EQ(summary.quantized_tensor_count, 256u);
  EXPECT_EQ(summary.ops_by_type.at("DepthWiseConv2d"), 20u);

  const DlcGraph& graph = file.graphs[0];
  const DlcOp& conv = graph.ops[0];
  EXPECT_EQ(conv.type, "Conv2d");
  expect_encoding(*graph.find_tensor(conv.inputs[0]), 0.018658448, -114, -2.127063, 2.630841);
  const DlcTensor& weight = *graph.find_tensor(conv.inputs[1]);
  EXPECT_EQ(weight.dims, (std::vector<uint32_t>{3, 3, 3, 16}));
  expect_encoding(weight, 0.0015900146, -130, -0.206702, 0.198752);
  expect_encoding(*graph.find_tensor(conv.inputs[2]), 0.0018967632, -74, -0.140360, 0.343314);
  expect_encoding(*graph.find_tensor(conv.outputs[0]), 0.014149933, 0, 0, 3.608233);
}

// A wrong buffer or a shifted one (64-bit lengths read as 32-bit ones) would miss the ends of the code range, which
// per-tensor min-max quantization reaches in each weight tensor.
TEST_F(GenuineDlc, Snpe219WeightsSpanTheirCodeRange) {
  const DlcFile file = read("det_500m_quantized.dlc");
  for (const DlcTensor& tensor : file.graphs[0].tensors) {
    if (tensor.location != DlcLocation::kStatic || tensor.dims.size() != 4) continue;
    const auto [low, high] = std::ranges::minmax(tensor.data);
    EXPECT_LE(std::to_integer<int>(low), 1) << tensor.name;
    EXPECT_GE(std::to_integer<int>(high), 254) << tensor.name;
  }
}

TEST_F(GenuineDlc, Qairt251PerChannelReadsAsDocumented) {
  const DlcFile file = read("qnn_ir/resnet20_u8s8_perchannel.dlc");
  EXPECT_EQ(file.minor, 1);
  EXPECT_EQ(file.parameter_format, "external");
  ASSERT_EQ(file.notes.size(), 1u);
  EXPECT_THAT(file.notes[0], HasSubstr("CRC-32"));
  const DlcGraph& graph = file.graphs[0];
  EXPECT_EQ(graph.ops.size(), 39u);
  EXPECT_EQ(graph.tensors.size(), 80u);
  size_t convolutions = 0;
  for (const DlcOp& op : graph.ops) {
    if (op.type != "Conv2d") continue;
    ++convolutions;
    const DlcTensor& weight = *graph.find_tensor(op.inputs[1]);
    EXPECT_EQ(weight.dtype, DlcDtype::kSFixed8);
    EXPECT_EQ(weight.encoding.type, DlcEncodingType::kAxisScaleOffset);
    EXPECT_EQ(weight.encoding.axis, 3);
    EXPECT_EQ(weight.encoding.entries.size(), weight.dims[3]);
    const DlcTensor& bias = *graph.find_tensor(op.inputs[2]);
    EXPECT_EQ(bias.dtype, DlcDtype::kSFixed32);
    EXPECT_EQ(bias.encoding.axis, 0);
  }
  EXPECT_EQ(convolutions, 19u);
}

TEST_F(GenuineDlc, Qairt251FourBitWeightsAreOneCodeAByte) {
  const DlcFile file = read("qnn_ir/resnet20_u16s4_perchannel.dlc");
  const DlcGraph& graph = file.graphs[0];
  EXPECT_EQ(graph.find_tensor("input")->dtype, DlcDtype::kUFixed16);
  const auto conv = std::ranges::find(graph.ops, "Conv2d", &DlcOp::type);
  const DlcTensor& weight = *graph.find_tensor(conv->inputs[1]);
  EXPECT_EQ(weight.dtype, DlcDtype::kSFixed8);
  EXPECT_EQ(weight.encoding.type, DlcEncodingType::kBitwidthAxisScaleOffset);
  EXPECT_EQ(weight.encoding.entries[0].bitwidth, 4u);
  EXPECT_LE(std::to_integer<int>(std::ranges::max(weight.data)), 15);
}

// A verifier that refuses what Qualcomm writes would be wrong, and a rewrite must lose nothing.
TEST_F(GenuineDlc, RewrittenAsVersionFourZeroReadsBackEqual) {
  for (const char* name : {"det_500m_quantized.dlc", "qnn_ir/resnet20_u8s8_perchannel.dlc", "qnn_ir/resnet20_u8u8.dlc",
                           "qnn_ir/resnet20_u16s4_perchannel.dlc", "qnn_ir/resnet20_float.dlc"}) {
    SCOPED_TRACE(name);
    const DlcFile original = read(name);
    ASSERT_NO_THROW(verify_dlc(original));
    const DlcFile again = read_dlc(write_dlc(original), name);
    EXPECT_EQ(again.minor, 0);
    EXPECT_EQ(again.parameter_format, "NETP");
    EXPECT_TRUE(again.graphs == original.graphs);
    EXPECT_EQ(again.metadata, original.metadata);
  }
}

TEST_F(GenuineDlc, VersionThreeIsReadForInspection) {
  const DlcFile file = read("gal_quantized.dlc");  // SNPE 1.68
  EXPECT_EQ(file.major, 3);
  const DlcGraphSummary summary = summarize_dlc(file).graphs[0];
  EXPECT_EQ(summary.ops_by_type.at("Convolutional"), 113u);
  EXPECT_EQ(summary.static_count, 226u);
  EXPECT_EQ(summary.quantized_tensor_count, summary.tensor_count);
  EXPECT_EQ(file.graphs[0].find_tensor("images")->dims, (std::vector<uint32_t>{1, 416, 416, 3}));
  // SNPE 1.42 stores encodings in another place.
  const DlcGraphSummary older = summarize_dlc(read("mm_v0_7_deeplabv3_quantized_hta.dlc")).graphs[0];
  EXPECT_EQ(older.quantized_tensor_count, older.tensor_count);
}

TEST_F(GenuineDlc, VersionTwoIsRefusedByName) {
  try {
    (void)read("ms_visionsample_model.dlc");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(std::string(error.what()), HasSubstr("version 2"));
  }
}

// The forms that our writer does not produce: NR64, 4.1 and version 3.
TEST_F(GenuineDlc, DamagedRecordsEndInAnError) {
  for (const char* name : {"det_500m_quantized.dlc", "qnn_ir/resnet20_u8s8_perchannel.dlc", "gal_quantized.dlc"}) {
    const Bytes bytes = read_file(folder() / name);
    const ZipArchive zip(bytes);
    std::vector<ZipEntry> entries;
    for (const auto& entry : zip.entries()) entries.push_back({entry.name, zip.read(entry)});
    std::mt19937 random(7);
    for (int round = 0; round < 60; ++round) {
      auto changed = entries;
      for (ZipEntry& entry : changed) {
        if (entry.name != "model" && entry.name != "model.params") continue;
        // Weights fill most of some records; tables, where damage matters, lie at both ends.
        const size_t window = std::min<size_t>(entry.content.size(), 12000);
        const size_t start = random() % 2 == 0 ? 0 : entry.content.size() - window;
        for (int i = 0; i < 4; ++i) entry.content[start + random() % window] = static_cast<std::byte>(random());
      }
      try {
        (void)read_dlc(write_zip(changed), name);
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace qtool::container
