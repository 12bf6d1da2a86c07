#include "qtool/container/dlc_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_dlc.h"

namespace qtool::container {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST(DlcText, SummaryCountsOpsTensorsAndBytes) {
  const DlcSummary summary = summarize_dlc(sample_dlc());
  EXPECT_EQ(summary.version, "4.0");
  ASSERT_EQ(summary.graphs.size(), 1u);
  const DlcGraphSummary& graph = summary.graphs[0];
  EXPECT_EQ(graph.op_count, 2u);
  EXPECT_EQ(graph.static_count, 2u);
  EXPECT_EQ(graph.static_bytes, 54u + 12u);  // 3x3x2x3 bytes and three 32-bit codes
  EXPECT_THAT(graph.ops_by_type, ElementsAre(Pair("Conv2d", 1), Pair("ElementWiseNeuron", 1)));
  EXPECT_THAT(graph.statics_by_dtype, ElementsAre(Pair("sfixed32", 1), Pair("sfixed8", 1)));
  EXPECT_THAT(graph.activations_by_dtype, ElementsAre(Pair("ufixed8", 3)));
}

TEST(DlcText, RangeComesFromScaleAndOffset) {
  DlcTensor tensor = sample_dlc().graphs[0].tensors[0];
  tensor.encoding.entries[0].min = tensor.encoding.entries[0].max = 0;  // as QAIRT 2.51 writes it
  EXPECT_EQ(tensor_text(tensor), "image ufixed8 [1,4,4,2] input scale 0.015625 offset -128 range [-2, 1.98438]");
}

TEST(DlcText, PerChannelShowsTheSpreadOfScales) {
  EXPECT_EQ(encoding_text(per_channel(3, {0.5f, 0.25f, 2.0f}, 8), DlcDtype::kSFixed8), "per channel (axis 3, 3, 8 bits): scale 0.25 to 2");
  EXPECT_EQ(encoding_text({}, DlcDtype::kFloat32), "no encoding");
}

TEST(DlcText, AttributesShowValues) {
  const DlcFile file = sample_dlc();
  EXPECT_EQ(attribute_text(*file.graphs[0].ops[0].find_attribute("pad_amount")), "pad_amount = [1,1,1,1]");
  EXPECT_EQ(attribute_text(*file.graphs[0].ops[0].find_attribute("packageName")), "packageName = \"qti.aisw\" (supplemental)");
}

TEST(DlcText, ListsWhatTheOptionsAskFor) {
  const DlcFile file = sample_dlc();
  EXPECT_THAT(dlc_text(file), AllOf(HasSubstr("Conv2d conv"), HasSubstr("weight sfixed8 [3,3,2,3] static")));
  EXPECT_THAT(dlc_text(file, {.ops = false, .tensors = false}), AllOf(HasSubstr("2 ops"), Not(HasSubstr("Conv2d conv"))));
}

TEST(DlcText, NamesCannotSteerATerminal) {
  DlcTensor tensor = sample_dlc().graphs[0].tensors[0];
  tensor.name = "a\x1b[2Jb";
  EXPECT_THAT(tensor_text(tensor), HasSubstr("a\\x1b[2Jb"));
}

}  // namespace
}  // namespace qtool::container
