#include "qtool/quant/onnx_storage.h"

#include <gmock/gmock.h>

#include "qtool/quant/quantize.h"
#include "qtool/support/error.h"

namespace qtool::quant {
namespace {

using ::testing::ElementsAre;

Encoding grid(int bits, bool symmetric, std::vector<Grid> grids, int axis = -1) {
  return {.bits = bits, .is_symmetric = symmetric, .channel_axis = axis, .grids = std::move(grids)};
}

TEST(OnnxStorage, SymmetricGridsAreSignedWithoutZeroPoint) {
  EXPECT_EQ(onnx_storage(grid(8, true, {{0.5, -128}})).dtype, DType::kInt8);
  EXPECT_EQ(onnx_storage(grid(4, true, {{0.5, -8}})).dtype, DType::kInt4);
  EXPECT_EQ(onnx_storage(grid(16, true, {{0.5, -32768}})).dtype, DType::kInt16);
  EXPECT_EQ(onnx_storage(grid(32, true, {{0.5, -(int64_t{1} << 31)}})).dtype, DType::kInt32);
  EXPECT_THAT(onnx_storage(grid(8, true, {{0.5, -128}, {1, -128}}, 0)).zero_points, ElementsAre(0, 0));
}

TEST(OnnxStorage, OtherGridsAreUnsigned) {
  const OnnxStorage storage = onnx_storage(grid(8, false, {{0.5, -7}}));
  EXPECT_EQ(storage.dtype, DType::kUInt8);
  EXPECT_THAT(storage.zero_points, ElementsAre(7));
  EXPECT_FALSE(storage.wider_than_grid);
  EXPECT_EQ(onnx_storage(grid(16, false, {{0.5, -7}})).dtype, DType::kUInt16);
  EXPECT_EQ(onnx_storage(grid(8, true, {{0.5, 0}})).dtype, DType::kUInt8) << "unsigned symmetric";
}

TEST(OnnxStorage, NarrowGridsInWideTypesAreMarked) {
  EXPECT_TRUE(onnx_storage(grid(7, true, {{0.5, -64}})).wider_than_grid);
  Encoding strict = grid(8, true, {{0.5, -127}});
  strict.is_strict = true;
  EXPECT_TRUE(onnx_storage(strict).wider_than_grid);
  EXPECT_EQ(onnx_storage(grid(10, false, {{0.5, -3}})).dtype, DType::kUInt16);
}

TEST(OnnxStorage, RefusesWhatNoTypeHolds) {
  EXPECT_THROW((void)onnx_storage(grid(32, false, {{0.5, -7}})), Error);
  EXPECT_THROW((void)onnx_storage(grid(8, false, {{0.5, -300}})), Error);
}

TEST(OnnxStorage, StoredIntegersStandForTheLevels) {
  const Tensor values = Tensor::from<float>({2, 2}, {-1.0f, 0.26f, 3.0f, 100.0f});
  const Encoding asymmetric = grid(8, false, {{0.5, -4}});
  const Tensor codes = store_tensor(values, asymmetric, onnx_storage(asymmetric));
  EXPECT_THAT(codes.data<uint8_t>(), ElementsAre(2, 5, 10, 204));
  const Encoding per_row = grid(8, true, {{0.5, -128}, {1.0, -128}}, 0);
  EXPECT_THAT(store_tensor(values, per_row, onnx_storage(per_row)).data<int8_t>(), ElementsAre(-2, 1, 3, 100));
}

TEST(OnnxStorage, ReadsBackEveryGridItWrites) {
  for (const Encoding& encoding :
       {grid(8, false, {{0.25, -7}}), grid(8, true, {{0.5, -128}, {2, -128}}, 1), grid(4, true, {{0.5, -8}}),
        grid(16, false, {{0.5, -40000}}), grid(32, true, {{0.125, -(int64_t{1} << 31)}}), grid(4, false, {{1, -15}})}) {
    const OnnxStorage storage = onnx_storage(encoding);
    std::vector<float> scales;
    for (const Grid& g : encoding.grids) scales.push_back(static_cast<float>(g.scale));
    const Encoding back = encoding_of_storage(storage.dtype, scales, storage.zero_points, encoding.channel_axis);
    EXPECT_EQ(back.bits, encoding.bits);
    EXPECT_EQ(back.is_symmetric, encoding.is_symmetric);
    EXPECT_EQ(back.channel_axis, encoding.channel_axis);
    for (size_t i = 0; i < encoding.grids.size(); ++i) {
      EXPECT_EQ(back.grids[i].scale, encoding.grids[i].scale);
      EXPECT_EQ(back.grids[i].offset, encoding.grids[i].offset);
    }
  }
}

TEST(OnnxStorage, ASignedTypeWithZeroPointIsAsymmetric) {
  const std::vector<float> scale = {0.5f};
  const std::vector<int64_t> zero = {-3};
  const Encoding encoding = encoding_of_storage(DType::kInt8, scale, zero, -1);
  EXPECT_FALSE(encoding.is_symmetric);
  EXPECT_EQ(encoding.lowest_level(), -125);
  EXPECT_EQ(encoding.highest_level(), 130);
}

TEST(OnnxStorage, RefusesScalesThatAreNone) {
  const std::vector<float> negative = {-1.0f}, two = {1.0f, 2.0f};
  const std::vector<int64_t> three = {0, 0, 0};
  EXPECT_THROW((void)encoding_of_storage(DType::kUInt8, negative, {}, -1), Error);
  EXPECT_THROW((void)encoding_of_storage(DType::kUInt8, two, three, 0), Error);
  EXPECT_THROW((void)encoding_of_storage(DType::kFloat32, two, {}, 0), Error);
}

}  // namespace
}  // namespace qtool::quant
