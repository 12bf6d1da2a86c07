// A quantized model written as QDQ and read back must compute the same integers.
#include <gmock/gmock.h>

#include <unistd.h>

#include <filesystem>

#include "../../support/graph_builder.h"
#include "../../support/shared_data.h"
#include "qtool/container/dlc_reader.h"
#include "qtool/exec/executor.h"
#include "qtool/exporters/encodings_json.h"
#include "qtool/pipeline/load_model.h"
#include "qtool/pipeline/quantize.h"
#include "qtool/support/files.h"

namespace qtool::pipeline {
namespace {

namespace fs = std::filesystem;
using qtool::testing::shared_data;

const fs::path kSample = fs::path(QTOOL_SOURCE_DIR) / "data" / "sample";

class Qdq : public ::testing::Test {
 protected:
  Qdq() : folder_(fs::temp_directory_path() / ("qtool-qdq-" + std::to_string(::getpid()))) {}
  ~Qdq() override { fs::remove_all(folder_); }

  // The QDQ file and the encodings of the same run.
  void quantize(const std::string& name, const std::string& profile, int act_bits = 8, int weight_bits = 8) {
    QuantizeConfig config;
    config.model.path = kSample / (name + ".onnx");
    config.data.calib = kSample / "calib" / name;
    config.data.preprocess_file = kSample / (name + ".preprocess.json");
    config.data.limit = 8;
    config.profile = profile;
    config.act_bitwidth = act_bits;
    if (weight_bits != 8) config.weights_bitwidth = weight_bits;
    if (profile == "dsp") config.bias_bitwidth = 32;  // an 8-bit bias is another grid in the file
    config.output = folder_;
    config.emit = {"encodings", "qdq"};
    (void)pipeline::quantize(config, silent_);
  }

  fs::path folder_;
  SilentReporter silent_;
};

struct Variant {
  const char* model;
  const char* profile;
  int act_bits;
  int weight_bits;
};

class QdqRoundTrip : public Qdq, public ::testing::WithParamInterface<Variant> {};

TEST_P(QdqRoundTrip, ReadsBackTheSameIntegers) {
  const Variant& v = GetParam();
  quantize(v.model, v.profile, v.act_bits, v.weight_bits);
  const LoadedModel read = load_model({.path = folder_ / (std::string(v.model) + ".qdq.onnx")}, silent_);
  ASSERT_TRUE(read.quantized.has_value());
  LoadedModel original = load_model({.path = kSample / (std::string(v.model) + ".onnx")}, silent_);
  EXPECT_EQ(read.state.graph.node_ids().size(), original.state.graph.node_ids().size());

  const std::string text = read_text_file(folder_ / (std::string(v.model) + ".encodings.json"));
  (void)exporters::apply_encodings(original.state, ops::builtin_registry(), text, "e");
  for (const auto& [id, entry] : original.state.encodings) {
    const std::string& name = original.state.graph.value(id).name;
    const ir::ValueId other = read.state.graph.find_value(name);
    // Equal constants are merged on reading, and one name stays.
    if (other == ir::kNoValue && original.state.graph.is_constant(id)) continue;
    ASSERT_NE(other, ir::kNoValue) << name;
    const quant::Encoding* found = model::find_encoding(read.state.encodings, other);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->bits, entry.encoding.bits) << name;
    EXPECT_EQ(found->channel_axis, entry.encoding.channel_axis) << name;
    for (size_t i = 0; i < entry.encoding.grids.size(); ++i) {
      EXPECT_EQ(found->grids[i].offset, entry.encoding.grids[i].offset) << name;
      EXPECT_EQ(static_cast<float>(found->grids[i].scale), static_cast<float>(entry.encoding.grids[i].scale)) << name;
    }
  }
  const exec::Executor a(original.state.graph, {.encodings = &original.state.encodings});
  const exec::Executor b(read.state.graph, {.encodings = &read.state.encodings});
  const std::vector<Tensor> inputs = {qtool::testing::random_tensor(original.state.graph.type_of(original.state.graph.inputs[0]).shape, 3)};
  const auto expected = a.new_session().run(inputs), found = b.new_session().run(inputs);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].identical(expected[i])) << "output " << i;
}

INSTANTIATE_TEST_SUITE_P(Sample, QdqRoundTrip,
                         ::testing::Values(Variant{"classifier", "htp", 8, 8}, Variant{"classifier", "dsp", 8, 8},
                                           Variant{"classifier", "htp", 16, 4}, Variant{"detector", "htp", 8, 8},
                                           Variant{"detector", "htp", 16, 8}));

// ---- DLC files that Qualcomm's library wrote from QDQ models ----------------------------------------------------

class GenuinePairs : public ::testing::TestWithParam<const char*> {};

std::string onnx_name(std::string name) {
  for (const std::string_view suffix : {"_quantized", "_QuantizeLinear"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

TEST_P(GenuinePairs, ContainerAndQdqHoldTheSameGrids) {
  const fs::path stem = shared_data() / "dlc" / "qnn_ir" / GetParam();
  if (!fs::exists(stem.string() + ".dlc")) GTEST_SKIP() << "the genuine files are not here (expected in shared/data beside the repository)";
  SilentReporter silent;
  const LoadedModel model = load_model({.path = stem.string() + ".qdq.onnx"}, silent);
  const container::DlcFile dlc = container::read_dlc(read_file(stem.string() + ".dlc"), "genuine");
  size_t compared = 0;
  for (const container::DlcTensor& tensor : dlc.graphs.at(0).tensors) {
    const ir::ValueId id = model.state.graph.find_value(onnx_name(tensor.name));
    const quant::Encoding* ours = id == ir::kNoValue ? nullptr : model::find_encoding(model.state.encodings, id);
    if (ours == nullptr || tensor.encoding.entries.empty()) continue;
    ASSERT_EQ(tensor.encoding.entries.size(), ours->grids.size()) << tensor.name;
    // Signed codes of the container count from 0.
    const int64_t shift = container::is_signed_fixed_point(tensor.dtype) ? int64_t{1} << (ours->bits - 1) : 0;
    for (size_t i = 0; i < ours->grids.size(); ++i) {
      EXPECT_EQ(static_cast<float>(tensor.encoding.entries[i].scale), static_cast<float>(ours->grids[i].scale)) << tensor.name;
      EXPECT_EQ(tensor.encoding.entries[i].offset - shift, ours->grids[i].offset) << tensor.name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 70u) << "of 80 tensors; the others are transposed copies of these";
}

INSTANTIATE_TEST_SUITE_P(QnnIr, GenuinePairs,
                         ::testing::Values("resnet20_u8s8_perchannel", "resnet20_u8u8", "resnet20_u16s4_perchannel"));

}  // namespace
}  // namespace qtool::pipeline
