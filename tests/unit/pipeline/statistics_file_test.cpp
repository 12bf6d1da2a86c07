#include "qtool/pipeline/statistics_file.h"

#include <gtest/gtest.h>

#include <random>

#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {
namespace {

namespace fs = std::filesystem;

calib::TensorStatistics statistics_of(unsigned seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(600);
  for (float& value : values) value = normal(random);
  calib::TensorStatistics statistics;
  statistics.histogram.emplace().add(values);
  statistics.range = statistics.histogram->range();
  statistics.count = statistics.histogram->finite_count();
  statistics.channels.emplace().observe({values.data(), Shape{1, 6, 100}, {}});
  return statistics;
}

// Sample i of a data set of four, or several merged in memory.
StatisticsFile file_of(const std::vector<int64_t>& samples) {
  StatisticsFile file{.model_sha256 = "aa", .inputs = {"x float32 [1, 6, 100]"}, .total_samples = 4};
  calib::TensorStatistics x, zeros;
  for (const int64_t sample : samples) {
    file.sample_sha256[sample] = format("hash{}", sample);
    x.merge(statistics_of(static_cast<unsigned>(sample), 1.0f + static_cast<float>(sample)));
    calib::TensorStatistics zero;
    zero.histogram.emplace().add(std::vector<float>(10, 0.0f));
    zero.count = 10;
    zeros.merge(zero);
  }
  file.tensors = {{"x", x}, {"zeros", zeros}};
  return file;
}

class StatisticsFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / format("qtool_stats_{}", ::testing::UnitTest::GetInstance()->random_seed() + ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path store(const std::string& name, const std::string& text) const {
    const fs::path path = folder_ / name;
    write_file_atomically(path, std::as_bytes(std::span(text)));
    return path;
  }
  fs::path store(const std::string& name, const StatisticsFile& file) const { return store(name, write_statistics(file)); }

  std::string refusal(const std::vector<fs::path>& paths) const {
    try {
      (void)merge_statistics(paths);
    } catch (const Error& error) {
      EXPECT_EQ(ErrorCode::kInvalidData, error.code());
      return error.what();
    }
    return "nothing was thrown";
  }

  fs::path folder_;
};

TEST_F(StatisticsFiles, ReadingGivesWhatWasWritten) {
  const StatisticsFile file = file_of({0, 2});
  const StatisticsFile read = read_statistics(store("a", file));
  EXPECT_EQ(write_statistics(file), write_statistics(read));
  ASSERT_EQ(2u, read.tensors.size());
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(file.tensors[i].second.range, read.tensors[i].second.range);
    EXPECT_EQ(file.tensors[i].second.histogram, read.tensors[i].second.histogram);
    EXPECT_EQ(file.tensors[i].second.channels, read.tensors[i].second.channels);
  }
}

TEST_F(StatisticsFiles, ShardsInAnyOrderGiveTheBytesOfOneRun) {
  const std::string whole = write_statistics(file_of({0, 1, 2, 3}));
  const fs::path a = store("a", file_of({0, 2})), b = store("b", file_of({1})), c = store("c", file_of({3}));
  EXPECT_EQ(whole, write_statistics(merge_statistics({a, b, c})));
  EXPECT_EQ(whole, write_statistics(merge_statistics({c, a, b})));
}

TEST_F(StatisticsFiles, WhatDoesNotBelongTogetherIsRefusedByName) {
  const fs::path a = store("a", file_of({0, 2})), b = store("b", file_of({1, 3}));
  EXPECT_NE(std::string::npos, refusal({a, a}).find("both count sample 1"));
  EXPECT_NE(std::string::npos, refusal({a}).find("a shard is missing"));
  StatisticsFile other = file_of({1, 3});
  other.model_sha256 = "bb";
  EXPECT_NE(std::string::npos, refusal({a, store("model", other)}).find("different models"));
  other = file_of({1, 3});
  other.preprocessing_json = "{\"scale\":2}";
  EXPECT_NE(std::string::npos, refusal({a, store("pre", other)}).find("preprocessing differs"));
  other = file_of({1, 3});
  other.total_samples = 5;
  const std::string text = refusal({a, store("total", other)});
  EXPECT_NE(std::string::npos, text.find("5")) << text;
  EXPECT_NE(std::string::npos, text.find("total")) << "the file is named: " << text;
}

TEST_F(StatisticsFiles, DamagedFilesAreRefusedAndNamed) {
  const std::string good = write_statistics(file_of({0, 1, 2, 3}));
  std::string wrong_count = good;
  wrong_count.replace(wrong_count.find("\"count\":2400"), 12, "\"count\":2401");
  for (const std::string& text : {std::string("{}"), std::string("no json"), good.substr(0, good.size() / 2), wrong_count}) {
    const fs::path path = store("damaged", text);
    try {
      (void)read_statistics(path);
      ADD_FAILURE() << "read " << text.substr(0, 60);
    } catch (const Error& error) {
      EXPECT_EQ(ErrorCode::kInvalidData, error.code());
      EXPECT_NE(std::string::npos, std::string(error.what()).find("damaged"));
    }
  }
}

}  // namespace
}  // namespace qtool::pipeline
