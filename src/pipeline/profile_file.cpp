#include "qtool/pipeline/profile_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "embedded_texts.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;

void refuse_unknown_keys(const Json& object, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw Error(ErrorCode::kInvalidData, format("unknown key '{}' in {}{}", key, where, did_you_mean(key, known)));
    }
  }
}

std::set<std::string> string_set(const Json& file, const char* key) {
  return file.contains(key) ? file.at(key).get<std::set<std::string>>() : std::set<std::string>{};
}

model::TargetProfile parse(const std::string& text) {
  const Json file = Json::parse(text);
  refuse_unknown_keys(file, {"schema", "name", "summary", "activations", "weights", "bias", "min_range", "quantize_inputs",
                             "fused_groups", "same_encoding_ops", "tied_ops", "fixed_output_ranges", "unquantized_ops"},
                      "the profile");
  if (file.at("schema").get<int>() != 1) throw Error(ErrorCode::kInvalidData, "this tool reads profile schema 1");
  model::TargetProfile profile;
  profile.name = file.at("name");
  profile.summary = file.value("summary", "");
  const Json& activations = file.at("activations");
  refuse_unknown_keys(activations, {"bits", "symmetric"}, "activations");
  profile.activation_bits = activations.at("bits");
  profile.activation_symmetric = activations.value("symmetric", false);
  const Json& weights = file.at("weights");
  refuse_unknown_keys(weights, {"bits", "symmetric", "per_channel", "per_channel_ops"}, "weights");
  profile.weight_bits = weights.at("bits");
  profile.weight_symmetric = weights.value("symmetric", false);
  profile.per_channel = weights.value("per_channel", false);
  profile.per_channel_ops = string_set(weights, "per_channel_ops");
  refuse_unknown_keys(file.at("bias"), {"bits"}, "bias");
  profile.bias_bits = file.at("bias").at("bits");
  profile.min_range = file.value("min_range", profile.min_range);
  profile.quantize_inputs = file.value("quantize_inputs", true);
  if (file.contains("fused_groups")) profile.fused_groups = file["fused_groups"].get<std::vector<std::vector<std::string>>>();
  profile.same_encoding_ops = string_set(file, "same_encoding_ops");
  profile.tied_ops = string_set(file, "tied_ops");
  profile.unquantized_ops = string_set(file, "unquantized_ops");
  if (file.contains("fixed_output_ranges")) {
    for (const auto& [op, bounds] : file["fixed_output_ranges"].items()) {
      profile.fixed_output_ranges[op] = {bounds.at(0).get<double>(), bounds.at(1).get<double>()};
    }
  }
  return profile;
}

}  // namespace

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : embedded_profiles()) names.push_back(name);
  return names;
}

model::TargetProfile load_profile(const std::string& name_or_path) {
  const auto found = embedded_profiles().find(name_or_path);
  const bool is_file = found == embedded_profiles().end();
  if (is_file && !std::filesystem::exists(name_or_path)) {
    throw Error(ErrorCode::kUsage, format("unknown profile '{}'{} (known: {}; or the path of a profile file)", name_or_path,
                                          did_you_mean(name_or_path, profile_names()), join(profile_names(), ", ")));
  }
  try {
    return parse(is_file ? read_text_file(name_or_path) : found->second);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("malformed profile: {}", error.what())).with("file", name_or_path);
  } catch (Error& error) {
    error.with("file", name_or_path);
    throw;
  }
}

}  // namespace qtool::pipeline
