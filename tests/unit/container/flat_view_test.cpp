#include "flat_view.h"

#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "flat_finish.h"
#include "qtool/support/error.h"

namespace qtool::container {
namespace {

Bytes finished(flatbuffers::FlatBufferBuilder& builder, FlatTableRef root) {
  builder.Finish(root, "TEST");
  const auto* raw = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {raw, raw + builder.GetSize()};
}

// One table: 0 u32, 1 string, 2 [u32], 3 [string]; slot 5 absent by default value.
Bytes sample() {
  flatbuffers::FlatBufferBuilder builder;
  const auto text = builder.CreateString("hello");
  const auto numbers = builder.CreateVector(std::vector<uint32_t>{3, 5, 7});
  const auto names = builder.CreateVectorOfStrings({"a", "bc"});
  const auto start = builder.StartTable();
  builder.AddElement<uint32_t>(field(0), 42, 0);
  builder.AddOffset(field(1), text);
  builder.AddOffset(field(2), numbers);
  builder.AddOffset(field(3), names);
  builder.AddElement<int32_t>(field(5), 0, 0);
  return finished(builder, end_table(builder, start));
}

TEST(FlatView, ReadsWhatTheLibraryWrote) {
  const Bytes bytes = sample();
  const FlatView view(bytes, "sample");
  EXPECT_EQ(view.identifier(), "TEST");
  const FlatTable table = view.root();
  EXPECT_EQ(table.scalar<uint32_t>(0, 0), 42u);
  EXPECT_EQ(table.text(1), "hello");
  EXPECT_EQ(table.scalars<uint32_t>(2), (std::vector<uint32_t>{3, 5, 7}));
  EXPECT_EQ(table.texts(3), (std::vector<std::string>{"a", "bc"}));
}

TEST(FlatView, GivesDefaultsForAbsentFields) {
  const Bytes bytes = sample();
  const FlatView view(bytes, "sample");
  const FlatTable table = view.root();
  EXPECT_EQ(table.scalar<int32_t>(5, -7), -7);  // equal to the default, so not stored
  EXPECT_EQ(table.scalar<int32_t>(900, -7), -7);
  EXPECT_EQ(table.text(4), "");
  EXPECT_FALSE(table.table(4).has_value());
  EXPECT_TRUE(table.tables(4).empty());
}

TEST(FlatView, RefusesAVectorLongerThanTheRecord) {
  Bytes bytes = sample();
  // The stored list is its count and then 3, 5, 7.
  const std::array<uint32_t, 4> stored = {3, 3, 5, 7};
  const auto raw = std::as_bytes(std::span(stored));
  const auto at = std::ranges::search(bytes, raw).begin();
  ASSERT_NE(at, bytes.end());
  for (const uint32_t count : {0x1000u, 0x40000000u, 0xffffffffu}) {
    std::memcpy(&*at, &count, sizeof(count));
    const FlatView view(bytes, "long");
    EXPECT_THROW((void)view.root().scalars<uint32_t>(2), Error) << count;
  }
}

TEST(FlatView, RefusesARootOutsideTheRecord) {
  Bytes bytes = sample();
  const uint32_t far = 0x7fffffff;
  std::memcpy(bytes.data(), &far, sizeof(far));
  const FlatView view(bytes, "far");
  EXPECT_THROW((void)view.root(), Error);
  EXPECT_THROW(FlatView(std::span(bytes).first(7), "short"), Error);
}

// 2000 elements that all refer to one list of 2000 tables: 16 KB that would unfold to four million tables.
TEST(FlatView, StopsWhenSharedTablesMultiply) {
  flatbuffers::FlatBufferBuilder builder;
  const auto leaf = end_table(builder, builder.StartTable());
  const auto leaves = builder.CreateVector(std::vector<FlatTableRef>(2000, leaf));
  const auto start = builder.StartTable();
  builder.AddOffset(field(0), leaves);
  const auto middle = end_table(builder, start);
  const auto middles = builder.CreateVector(std::vector<FlatTableRef>(2000, middle));
  const auto root_start = builder.StartTable();
  builder.AddOffset(field(0), middles);
  const Bytes bytes = finished(builder, end_table(builder, root_start));
  const FlatView view(bytes, "bomb");
  const auto unfold = [&] {
    for (const FlatTable& table : view.root().tables(0)) (void)table.tables(0);
  };
  EXPECT_THROW(unfold(), Error);
}

}  // namespace
}  // namespace qtool::container
