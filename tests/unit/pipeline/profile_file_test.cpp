#include "qtool/pipeline/profile_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "qtool/support/error.h"
#include "qtool/support/files.h"

namespace qtool::pipeline {
namespace {

std::string message_of(const std::string& profile) {
  try {
    (void)load_profile(profile);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::filesystem::path write_profile(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::path(::testing::TempDir()) / name;
  write_file_atomically(path, std::as_bytes(std::span(text)));
  return path;
}

TEST(ProfileFile, BuiltInProfilesLoad) {
  for (const std::string& name : profile_names()) EXPECT_EQ(load_profile(name).name, name);
  EXPECT_FALSE(load_profile("dsp").per_channel);
  EXPECT_EQ(load_profile("dsp").bias_bits, 8);
  EXPECT_TRUE(load_profile("htp").per_channel);
  EXPECT_EQ(load_profile("htp").bias_bits, 32);
  EXPECT_EQ(load_profile("htp").fixed_output_ranges.at("Sigmoid"), (quant::Range{0.0, 1.0}));
}

TEST(ProfileFile, UnknownNameIsAnsweredWithTheNearest) {
  EXPECT_NE(message_of("htpp").find("did you mean 'htp'"), std::string::npos);
}

TEST(ProfileFile, UnknownKeyNamesFileAndKey) {
  const auto path = write_profile("typo.json", R"({"schema": 1, "name": "x", "wieghts": {}})");
  const std::string message = message_of(path.string());
  EXPECT_NE(message.find("wieghts"), std::string::npos);
  EXPECT_NE(message.find("did you mean 'weights'"), std::string::npos);
  EXPECT_NE(message.find("typo.json"), std::string::npos);
}

TEST(ProfileFile, MalformedJsonIsAnError) {
  const auto path = write_profile("broken.json", "{\"schema\": 1,");
  EXPECT_NE(message_of(path.string()).find("malformed profile"), std::string::npos);
}

}  // namespace
}  // namespace qtool::pipeline
