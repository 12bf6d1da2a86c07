#include "qtool/container/dlc_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dlc_schema.h"
#include "flat_view.h"
#include "qtool/container/dlc_reader.h"
#include "qtool/support/error.h"
#include "sample_dlc.h"
#include "zip_archive.h"

namespace qtool::container {
namespace {

using ::testing::ElementsAre;

Bytes record(const Bytes& dlc, const char* name) {
  const ZipArchive zip(dlc);
  return zip.read(*zip.find(name));
}

TEST(DlcWriter, WritesTheThreeRecordsInOrderUncompressed) {
  const Bytes dlc = write_dlc(sample_dlc());
  const ZipArchive zip(dlc);
  std::vector<std::string> names;
  for (const auto& entry : zip.entries()) {
    names.push_back(entry.name);
    EXPECT_EQ(entry.method, 0);
  }
  EXPECT_THAT(names, ElementsAre("dlc.metadata", "model", "model.params"));
}

TEST(DlcWriter, PutsPrefixAndIdentifiersWhereReadersLook) {
  const Bytes dlc = write_dlc(sample_dlc());
  for (const auto& [name, identifier] : {std::pair{"model", "NETD"}, std::pair{"model.params", "NETP"}}) {
    const Bytes bytes = record(dlc, name);
    const auto prefix = std::vector<int>{0xd5, 0x0a, 4, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < prefix.size(); ++i) EXPECT_EQ(std::to_integer<int>(bytes[i]), prefix[i]) << name << i;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()) + 12, 4), identifier);
  }
}

TEST(DlcWriter, MetadataIsOneLineAnEntry) {
  const Bytes text = record(write_dlc(sample_dlc()), "dlc.metadata");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(text.data()), text.size()),
            "converter-command=qtool\nconverter-version=0\nmodel-copyright=N/A\n");
}

TEST(DlcWriter, RefusesMetadataThatWouldForgeALine) {
  DlcFile file = sample_dlc();
  file.metadata = {{"converter-command", "a\nmodel-version=9"}};
  EXPECT_THROW((void)write_dlc(file), Error);
}

// Readers find parameters by the position of the op and crash on a short list.
TEST(DlcWriter, HasOneParameterSetForEachOp) {
  const Bytes params = record(write_dlc(sample_dlc()), "model.params");
  const auto body = std::span(params).subspan(kPrefixSize);
  const FlatView view(body, "params");
  const auto graph = view.root().tables(slot::Params::kGraphs).at(0);
  const auto nodes = graph.tables(slot::GraphParams::kNodes);
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].tables(slot::NodeParams::kTensors).size(), 3u);  // dilation, pad_amount, stride
  EXPECT_EQ(nodes[1].tables(slot::NodeParams::kTensors).size(), 0u);
  EXPECT_EQ(graph.tables(slot::GraphParams::kTensors).at(0).text(slot::TensorData::kName), "bias");  // sorted by name
}

TEST(DlcWriter, MarksGraphTensorsAndStatesTheSourceType) {
  const Bytes model = record(write_dlc(sample_dlc()), "model");
  const auto body = std::span(model).subspan(kPrefixSize);
  const FlatView view(body, "model");
  const auto graph = view.root().tables(slot::Model::kGraphs).at(0);
  for (const FlatTable& tensor : graph.tables(slot::Graph::kTensors)) {
    EXPECT_EQ(tensor.scalar<uint8_t>(slot::Tensor::kGraphFlag, 0), 1);
    EXPECT_EQ(tensor.scalar<uint32_t>(slot::Tensor::kSourceDtype, 0), tensor.scalar<uint32_t>(slot::Tensor::kDtype, 0));
    EXPECT_TRUE(tensor.has(slot::Tensor::kEncoding));
  }
}

TEST(DlcWriter, SameContentSameBytes) {
  const Bytes first = write_dlc(sample_dlc());
  EXPECT_EQ(first, write_dlc(sample_dlc()));
  DlcFile changed = sample_dlc();
  changed.graphs[0].tensors[1].data[0] = std::byte{1};
  EXPECT_NE(first, write_dlc(changed));
}

TEST(DlcWriter, ReadsBackEqualWithIdsCounted) {
  DlcFile expected = sample_dlc();
  const DlcFile found = read_dlc(write_dlc(expected), "sample");
  uint32_t id = 1;
  for (DlcTensor& tensor : expected.graphs[0].tensors) {
    tensor.id = id++;
    tensor.source_dtype = tensor.dtype;
  }
  EXPECT_EQ(found.graphs[0].tensors, expected.graphs[0].tensors);
  EXPECT_EQ(found.graphs[0].ops[0].inputs, expected.graphs[0].ops[0].inputs);
  EXPECT_EQ(found.metadata, expected.metadata);
  EXPECT_EQ(found.parameter_format, "NETP");
  EXPECT_TRUE(found.notes.empty());
}

TEST(DlcWriter, KeepsGivenIds) {
  DlcFile file = sample_dlc();
  file.graphs[0].tensors[2].id = 77;
  EXPECT_EQ(read_dlc(write_dlc(file), "sample").graphs[0].tensors[2].id, 77u);
}

TEST(DlcWriter, RefusesWeightsBeyondTheRecordLimit) {
  // The real limit needs 2 GiB of weights; the sample holds 66 bytes of them plus tables.
  try {
    (void)write_dlc(sample_dlc(), {.record_bytes = 100});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(DlcWriter, VerifiesFirst) {
  DlcFile file = sample_dlc();
  file.graphs[0].tensors[1].data.pop_back();
  EXPECT_THROW((void)write_dlc(file), Error);
}

}  // namespace
}  // namespace qtool::container
