#include "qtool/data/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "qtool/support/format.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

// A version 1 file with this dict and `payload` zero bytes behind it.
Bytes npy_with(const std::string& dict, size_t payload) {
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(dict.size() & 0xFF);
  text += static_cast<char>(dict.size() >> 8);
  text += dict + std::string(payload, '\0');
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(Npy, EveryElementTypeComesBack) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt8,
                            DType::kInt16, DType::kInt32, DType::kInt64, DType::kUInt8,
                            DType::kUInt16, DType::kUInt32, DType::kUInt64, DType::kBool}) {
    std::vector<float> values(6);
    std::iota(values.begin(), values.end(), 0.0f);
    const Tensor tensor =
        Tensor::from<float>(Shape{2, 3}, std::span<const float>(values)).cast(dtype);
    EXPECT_TRUE(parse_npy(to_npy(tensor), "x").identical(tensor)) << dtype_name(dtype);
  }
}

TEST(Npy, ScalarsVectorsAndEmptyArraysComeBack) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{0}, Shape{3, 0, 2}, Shape{1, 2, 3, 4, 5}}) {
    const Tensor tensor(DType::kFloat32, shape);
    EXPECT_EQ(parse_npy(to_npy(tensor), "x").shape(), shape) << shape.text();
  }
}

TEST(Npy, HeaderIsNumpys) {
  const Bytes bytes = to_npy(Tensor(DType::kFloat32, Shape{3}));
  EXPECT_EQ(bytes.size(), 128u + 12u);  // the header is padded to a multiple of 64
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_NE(text.find("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"),
            std::string::npos);
}

TEST(Npy, FortranOrderIsTransposed) {
  const Tensor tensor =
      read_npy(fixture("fortran.npy"));  // numpy: arange(24).reshape(2, 3, 4), saved column-major
  ASSERT_EQ(tensor.shape(), (Shape{2, 3, 4}));
  for (size_t i = 0; i < 24; ++i) EXPECT_EQ(tensor.data<float>()[i], static_cast<float>(i));
}

TEST(Npy, OtherBytesInBoolsBecomeTrue) {
  Bytes bytes = npy_with("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", 2);
  bytes.back() = std::byte{0x80};
  const Tensor tensor = parse_npy(bytes, "x");
  EXPECT_EQ(tensor.bytes()[0], std::byte{0});
  EXPECT_EQ(tensor.bytes()[1], std::byte{1});
}

TEST(Npy, DamagedHeadersAreErrorsThatNameTheFile) {
  for (const std::string dict :
       {"", "{", "{}", "[]", "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8, 0), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", "{'descr: '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1), }"}) {
    const Error error = error_of([&] { (void)parse_npy(npy_with(dict, 4), "bad.npy"); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidData) << dict;
    EXPECT_TRUE(mentions(error, "bad.npy")) << error.what();
  }
}

TEST(Npy, UnsupportedElementTypesAreSaid) {
  for (const std::string descr : {"<c8", ">f4", "|O", "<U4", "", "f"}) {
    const std::string dict =
        format("{{'descr': '{}', 'fortran_order': False, 'shape': (1,), }}", descr);
    EXPECT_EQ(error_of([&] { (void)parse_npy(npy_with(dict, 4), "x"); }).code(),
              ErrorCode::kUnsupported)
        << descr;
  }
  EXPECT_EQ(error_of([] { (void)to_npy(Tensor(DType::kBFloat16, Shape{1})); }).code(),
            ErrorCode::kUnsupported);
}

TEST(Npy, WrongPayloadSizeStatesBothNumbers) {
  const Bytes bytes = npy_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8);
  const Error error = error_of([&] { (void)parse_npy(bytes, "x"); });
  EXPECT_TRUE(mentions(error, "needs 12 bytes, the file holds 8")) << error.what();
}

TEST(Npy, EveryTruncationAndEveryFlippedByteIsSafe) {
  const Bytes whole = to_npy(Tensor(DType::kFloat32, Shape{2, 2}));
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW((void)parse_npy(std::span(whole).first(length), "x"), Error);
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int mask : {0x01, 0x08, 0x80}) {
      Bytes bytes = whole;
      bytes[at] ^= static_cast<std::byte>(mask);
      try {
        (void)parse_npy(bytes, "x");
      } catch (const Error&) {  // nothing else may leave the parser
      }
    }
  }
}

}  // namespace
}  // namespace qtool::data
