#include "qtool/support/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "qtool/support/error.h"

namespace qtool {
namespace {
namespace fs = std::filesystem;

class OutputSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(OutputSetTest, LeavesNothingBehindWithoutCommit) {
  {
    OutputSet set(folder_ / "deep");
    set.add("a.txt", "new");
  }
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(OutputSetTest, KeepsOldContentUntilCommit) {
  fs::create_directories(folder_);
  write_file_atomically(folder_ / "a.txt", std::as_bytes(std::span("old", 3)));
  {
    OutputSet set(folder_);
    set.add("a.txt", "new");
    EXPECT_EQ(read_text_file(folder_ / "a.txt"), "old");
    set.commit();
  }
  EXPECT_EQ(read_text_file(folder_ / "a.txt"), "new");
}

TEST_F(OutputSetTest, RefusesAFileAsFolder) {
  fs::create_directories(folder_);
  write_file_atomically(folder_ / "a.txt", {});
  EXPECT_THROW(OutputSet(folder_ / "a.txt"), Error);
}

TEST(Files, Sha256OfKnownText) {
  const std::string text = "abc";  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(text))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Files, MissingFileIsNamed) {
  try {
    (void)read_file("no/such/file.bin");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("no/such/file.bin"), std::string::npos);
  }
}

}  // namespace
}  // namespace qtool
