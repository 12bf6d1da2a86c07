#include <gmock/gmock.h>

#include "model_files.h"
#include "qtool/onnxio/tensor_file.h"
#include "tensor_reader.h"

namespace qtool::onnxio {
namespace {

using testing::ElementsAre;

Tensor read(const std::string& text) {
  onnx::TensorProto proto;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &proto));
  return TensorReader(".").read(proto);
}

TEST(TensorReader, ReadsEveryStorageField) {
  EXPECT_THAT(read("data_type: 1 dims: 2 float_data: [1, 2.5]").to_float(), ElementsAre(1, 2.5));
  EXPECT_THAT(read("data_type: 11 dims: 1 double_data: 0.5").to_float(), ElementsAre(0.5));
  EXPECT_THAT(read("data_type: 7 dims: 2 int64_data: [-1, 5]").to_int64(), ElementsAre(-1, 5));
  EXPECT_THAT(read("data_type: 6 dims: 1 int32_data: -7").to_int64(), ElementsAre(-7));
  EXPECT_THAT(read("data_type: 3 dims: 2 int32_data: [-128, 127]").to_int64(), ElementsAre(-128, 127));
  EXPECT_THAT(read("data_type: 2 dims: 1 int32_data: 255").to_int64(), ElementsAre(255));
  EXPECT_THAT(read("data_type: 5 dims: 1 int32_data: -300").to_int64(), ElementsAre(-300));
  EXPECT_THAT(read("data_type: 12 dims: 1 uint64_data: 4000000000").to_int64(), ElementsAre(4000000000));
  EXPECT_THAT(read("data_type: 13 dims: 1 uint64_data: 9").to_int64(), ElementsAre(9));
  EXPECT_THAT(read("data_type: 9 dims: 2 int32_data: [0, 5]").to_int64(), ElementsAre(0, 1));
  EXPECT_THAT(read("data_type: 10 dims: 2 int32_data: [15360, 49152]").to_float(), ElementsAre(1, -2));  // 0x3C00, 0xC000
  EXPECT_THAT(read("data_type: 16 dims: 1 int32_data: 16256").to_float(), ElementsAre(1));               // 0x3F80
}

TEST(TensorReader, ReadsRawData) {
  EXPECT_THAT(read("data_type: 1 dims: 1 raw_data: '\\000\\000\\200\\077'").to_float(), ElementsAre(1));
  EXPECT_THAT(read("data_type: 10 dims: 1 raw_data: '\\000\\074'").to_float(), ElementsAre(1));
  EXPECT_THAT(read("data_type: 9 dims: 2 raw_data: '\\000\\007'").to_int64(), ElementsAre(0, 1)) << "any byte but 0 is true";
  EXPECT_TRUE(read("data_type: 1 dims: 0 raw_data: ''").empty());
  EXPECT_EQ(read("data_type: 1 float_data: 3").shape().rank(), 0u);
}

TEST(TensorReader, UnpacksFourBitIntegersLowHalfFirst) {
  const Tensor signed_tensor = read("data_type: 22 dims: 3 raw_data: '\\361\\010'");  // 0xF1 0x08
  EXPECT_EQ(signed_tensor.dtype(), DType::kInt4);
  EXPECT_THAT(signed_tensor.to_int64(), ElementsAre(1, -1, -8));
  EXPECT_THAT(read("data_type: 21 dims: 3 int32_data: [241, 8]").to_int64(), ElementsAre(1, 15, 8));
  EXPECT_THROW((void)read("data_type: 22 dims: 3 raw_data: 'a'"), Error);
}

TEST(TensorReader, RefusesWrongSizesAndTypes) {
  for (const char* wrong : {"data_type: 1 dims: 2 raw_data: 'abc'", "data_type: 1 dims: 2 float_data: 1", "data_type: 99 dims: 1",
                            "data_type: 8 dims: 1 string_data: 'a'", "data_type: 19 dims: 1 raw_data: 'a'", "data_type: 14 dims: 1",
                            "dims: 1", "data_type: 1 dims: 1 segment { begin: 0 }", "data_type: 1 dims: 9223372036854775807 raw_data: ''"}) {
    EXPECT_THROW((void)read(wrong), Error) << wrong;
  }
}

TEST(TensorReader, DensifiesSparseTensors) {
  const auto read_sparse = [](const std::string& text) {
    onnx::SparseTensorProto proto;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &proto));
    return TensorReader(".").read_sparse(proto);
  };
  const std::string values = "values { name: 's' data_type: 1 dims: 2 float_data: [5, 6] } ";
  EXPECT_THAT(read_sparse(values + "indices { data_type: 7 dims: 2 int64_data: [1, 3] } dims: [2, 2]").to_float(), ElementsAre(0, 5, 0, 6));
  EXPECT_THAT(read_sparse(values + "indices { data_type: 7 dims: [2, 2] int64_data: [0, 0, 1, 0] } dims: [2, 2]").to_float(), ElementsAre(5, 0, 6, 0));
  EXPECT_THROW((void)read_sparse(values + "indices { data_type: 7 dims: 2 int64_data: [1, 4] } dims: [2, 2]"), Error);
  EXPECT_THROW((void)read_sparse(values + "indices { data_type: 7 dims: [2, 2] int64_data: [0, 0, 2, -1] } dims: [2, 2]"), Error);
  EXPECT_THROW((void)read_sparse(values + "indices { data_type: 7 dims: 2 int64_data: [0, 1] } dims: [1000000, 1000000]"), Error);
}

TEST(TensorFile, ReadsATensorWithItsName) {
  const TemporaryFolder folder;
  onnx::TensorProto proto;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString("name: 'x' data_type: 1 dims: 1 float_data: 4", &proto));
  const NamedTensor tensor = read_tensor_proto(folder.write("input_0.pb", proto.SerializeAsString()));
  EXPECT_EQ(tensor.name, "x");
  EXPECT_THAT(tensor.tensor.to_float(), ElementsAre(4));
  EXPECT_THROW((void)read_tensor_proto(folder.write("text.pb", "not a tensor")), Error);
}

}  // namespace
}  // namespace qtool::onnxio
