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

TEST(ProfileFile, AProfileMayExtendABuiltInOne) {
  const auto path = write_profile("mine.json", R"({"schema": 1, "name": "mine", "extends": "htp", "weights": {"bits": 4}, "min_range": "aimet-legacy",
      "op_limits": {"Conv": {"weight_bits": [4]}}, "concat": {"policy": "auto"}})");
  const model::TargetProfile mine = load_profile(path.string()), htp = load_profile("htp-v73");
  EXPECT_EQ(mine.weight_bits, 4);
  EXPECT_TRUE(mine.per_channel);
  EXPECT_EQ(mine.same_encoding_ops, htp.same_encoding_ops);
  EXPECT_EQ(mine.min_range, 0.01);
  EXPECT_EQ(mine.op_limits.at("Conv").weight_bits, std::vector<int>{4});
  EXPECT_EQ(mine.op_limits.at("Gemm").weight_bits, htp.op_limits.at("Gemm").weight_bits);
  EXPECT_EQ(mine.concat_policy, model::ConcatPolicy::kAuto);
  EXPECT_NE(mine.sha256, htp.sha256);
}

TEST(ProfileFile, WhatItExtendsMustBeBuiltIn) {
  const auto path = write_profile("lost.json", R"({"schema": 1, "name": "lost", "extends": "htpp"})");
  EXPECT_NE(message_of(path.string()).find("did you mean 'htp'"), std::string::npos);
}

TEST(ProfileFile, SmallestRangesHaveNames) {
  model::TargetProfile profile;
  set_min_range(profile, "qairt");
  EXPECT_EQ(profile.minimum_range(8), 1e-4);
  set_min_range(profile, "aimet-2");
  EXPECT_DOUBLE_EQ(profile.minimum_range(8), 255 * 0x1p-23);  // by scale
  EXPECT_DOUBLE_EQ(profile.minimum_range(32), 0.01);          // bounded by the old rule
  set_min_range(profile, "0.5");
  EXPECT_EQ(profile.minimum_range(8), 0.5);
  EXPECT_THROW(set_min_range(profile, "0.5x"), Error);
  EXPECT_THROW(set_min_range(profile, "-1"), Error);
}

TEST(AimetConfiguration, IsReadAsAProfile) {
  const auto path = write_profile("htp_config.json", R"({
      "defaults": {"hw_version": "V73", "ops": {"is_output_quantized": "True"}, "params": {"is_quantized": "True", "is_symmetric": "True"},
                   "per_channel_quantization": "False", "strict_symmetric": "True", "unsigned_symmetric": "False"},
      "params": {"bias": {"is_quantized": "False"}},
      "op_type": {"Conv": {"per_channel_quantization": "True"}, "Cast": {"is_output_quantized": "False"}, "Gather": {"is_output_quantized": "False"},
                  "LayerNormalization": {"params": {"weight": {"is_symmetric": "False"}}},
                  "Relu": {"encoding_constraints": {"min": 0.0}}, "Sigmoid": {"encoding_constraints": {"min": 0.0, "max": 1.0}}},
      "supergroups": [{"op_list": ["Conv", "BatchNormalization", "Relu"]}, {"op_list": ["Conv", "Relu"]}],
      "model_input": {"is_input_quantized": "True"}, "model_output": {"is_output_quantized": "False"}})");
  const model::TargetProfile profile = load_profile(path.string());
  EXPECT_EQ(profile.name, "htp_config");
  EXPECT_TRUE(profile.weight_symmetric);
  EXPECT_EQ(profile.symmetry(true), quant::Symmetry::kStrictSymmetric);
  EXPECT_EQ(profile.per_channel_ops, std::set<std::string>{"Conv"});
  EXPECT_TRUE(profile.unquantized_ops.contains("Cast"));
  EXPECT_TRUE(profile.same_encoding_ops.contains("Gather"));  // moves data: the input's encoding goes on
  EXPECT_TRUE(profile.asymmetric_weight_ops.contains("LayerNormalization"));
  EXPECT_EQ(profile.fixed_output_ranges.size(), 1u);
  EXPECT_EQ(profile.fused_groups, (std::vector<std::vector<std::string>>{{"Conv", "Relu"}}));  // batch norm is folded by then
  EXPECT_TRUE(profile.quantize_inputs);
  EXPECT_FALSE(profile.quantize_outputs);
}

TEST(AimetConfiguration, AnUnknownKeyIsRefused) {
  const auto path = write_profile("typo_config.json", R"({"defaults": {"opps": {}}, "op_type": {}})");
  EXPECT_NE(message_of(path.string()).find("did you mean 'ops'"), std::string::npos);
}

TEST(ProfileFile, MalformedJsonIsAnError) {
  const auto path = write_profile("broken.json", "{\"schema\": 1,");
  EXPECT_NE(message_of(path.string()).find("malformed profile"), std::string::npos);
}

}  // namespace
}  // namespace qtool::pipeline
