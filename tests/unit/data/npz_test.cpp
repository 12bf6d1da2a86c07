#include "qtool/data/npz.h"

#include <gtest/gtest.h>

#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

NamedTensors two_tensors() {
  return {{"z/last", Tensor::from<float>(Shape{2}, {1.5f, -2.0f})},
          {"a", Tensor::from<int64_t>(Shape{1, 1}, {7})}};
}

TEST(Npz, ComesBackInTheGivenOrder) {
  const NamedTensors tensors = two_tensors(), back = parse_npz(to_npz(tensors), "x");
  ASSERT_EQ(back.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back[i].first, tensors[i].first);
    EXPECT_TRUE(back[i].second.identical(tensors[i].second));
  }
}

TEST(Npz, EmptyArchiveComesBack) { EXPECT_TRUE(parse_npz(to_npz({}), "x").empty()); }

TEST(Npz, BytesHoldNoClock) {
  const Bytes bytes = to_npz(two_tensors());
  EXPECT_EQ(bytes, to_npz(two_tensors()));
  // Local header: time at byte 10, date at 12; 1980-01-01 00:00 is 0x0000, 0x0021. No compression
  // at byte 8.
  EXPECT_EQ(bytes[8], std::byte{0});
  EXPECT_EQ(bytes[10], std::byte{0});
  EXPECT_EQ(bytes[11], std::byte{0});
  EXPECT_EQ(bytes[12], std::byte{0x21});
  EXPECT_EQ(bytes[13], std::byte{0});
}

TEST(Npz, DeflatedArchivesOfNumpyAreRead) {
  const NamedTensors tensors = read_npz(fixture("decoded.npz"));  // np.savez_compressed
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].first, "luma");
  EXPECT_EQ(tensors[2].second.shape(), (Shape{17, 10, 12, 3}));
}

TEST(Npz, SameKeyTwiceIsABug) {
  const Tensor tensor(DType::kFloat32, Shape{1});
  EXPECT_EQ(error_of([&] {
              (void)to_npz({{"a", tensor}, {"a", tensor}});
            }).code(),
            ErrorCode::kInternal);
}

TEST(Npz, EveryTruncationAndEveryFlippedByteIsSafe) {
  const Bytes whole = to_npz(two_tensors());
  for (size_t length = 0; length < whole.size(); length += 5) {
    const Error error =
        error_of([&] { (void)parse_npz(std::span(whole).first(length), "cut.npz"); });
    EXPECT_TRUE(mentions(error, "cut.npz"));
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    Bytes bytes = whole;
    bytes[at] ^= std::byte{0x41};
    try {
      (void)parse_npz(bytes, "x");
    } catch (const Error&) {  // nothing else may leave the parser
    }
  }
}

TEST(Npz, DamagedDataOfAnEntryIsAnError) {
  Bytes bytes = to_npz({{"a", Tensor(DType::kFloat32, Shape{1000})}});
  bytes[2000] ^= std::byte{1};  // inside the stored elements: the checksum tells
  EXPECT_TRUE(mentions(error_of([&] { (void)parse_npz(bytes, "x.npz"); }), "entry: a"));
}

}  // namespace
}  // namespace qtool::data
