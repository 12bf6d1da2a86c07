// Damaged files: nothing but Error may leave the importer.
#include <random>

#include "model_files.h"

namespace qtool::onnxio {
namespace {

std::string sample_bytes() {
  const std::string branch = "type: GRAPH g { name: 'b' node { op_type: 'Neg' input: 'a' output: 'r' } output { name: 'r' } } ";
  onnx::ModelProto proto = parse_model(
      "ir_version: 8 opset_import { version: 17 } opset_import { domain: 'l' version: 1 } metadata_props { key: 'k' value: 'v' } graph { name: 'g' " +
      info("input", "x", "dim { dim_param: 'N' } dim { dim_value: 2 }") + info("input", "c", "", 9) +
      "initializer { name: 'w' data_type: 1 dims: 2 float_data: [1, 2] } initializer { name: 'v' data_type: 22 dims: 3 raw_data: 'ab' } "
      "initializer { name: 'e' data_type: 1 dims: 1 data_location: EXTERNAL external_data { key: 'location' value: 'w.bin' } } "
      "sparse_initializer { values { name: 's' data_type: 1 dims: 1 float_data: 5 } indices { data_type: 7 dims: 1 int64_data: 1 } dims: [2, 2] } " +
      node("Constant", "output: 'k' attribute { name: 'value' type: TENSOR t { data_type: 10 dims: 1 int32_data: 15360 } }") +
      node("Conv", "name: 'n' input: ['x', 'w', '', 'k'] output: 'a' attribute { name: 'pads' type: INTS ints: [1, 1] }") +
      node("F", "domain: 'l' input: 'a' output: 'f'") +
      node("If", "input: 'c' output: 'y' attribute { name: 'then_branch' " + branch + "} attribute { name: 'else_branch' " + branch + "}") +
      info("output", "y", "") + "} functions { name: 'F' domain: 'l' input: 'i' output: 'o' node { op_type: 'Relu' input: 'i' output: 'o' } }");
  return proto.SerializeAsString();
}

class Mutation : public testing::Test {
 protected:
  // True when the import succeeds; any exception but Error fails the test.
  bool survives(const std::string& content) {
    SilentReporter silent;
    try {
      const ImportedModel model = import_model_bytes(std::as_bytes(std::span(content.data(), content.size())),
                                                     folder_.path() / "m.onnx", {}, silent);
      EXPECT_TRUE(model.graph.verify().empty());
      return true;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      return false;
    }
  }
  TemporaryFolder folder_;
};

TEST_F(Mutation, TheSampleIsSound) {
  folder_.write("w.bin", "1234");
  EXPECT_TRUE(survives(sample_bytes()));
}

TEST_F(Mutation, EveryTruncationIsRefusedOrRead) {
  folder_.write("w.bin", "1234");
  const std::string sample = sample_bytes();
  for (size_t size = 0; size < sample.size(); ++size) (void)survives(sample.substr(0, size));
}

TEST_F(Mutation, RandomDamageNeverEscapesAsAnotherException) {
  folder_.write("w.bin", "1234");
  const std::string sample = sample_bytes();
  std::mt19937 random(20240607);  // fixed seed: the same files on every run
  for (int round = 0; round < 10000; ++round) {
    std::string damaged = sample;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int edit = 0; edit < edits; ++edit) {
      const size_t at = random() % damaged.size();
      switch (random() % 4) {
        case 0: damaged[at] = static_cast<char>(random()); break;
        case 1: damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8))); break;
        case 2: damaged.erase(at, 1 + random() % 8); break;
        default: damaged.insert(at, 1 + random() % 4, static_cast<char>(random())); break;
      }
      if (damaged.empty()) damaged.assign(1, 'x');
    }
    SCOPED_TRACE(round);
    (void)survives(damaged);
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace qtool::onnxio
