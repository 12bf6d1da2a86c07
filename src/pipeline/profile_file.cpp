#include "qtool/pipeline/profile_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "aimet_config.h"
#include "cost_rates_file.h"
#include "embedded_texts.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
using model::TargetProfile;

void refuse_unknown_keys(const Json& object, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw Error(ErrorCode::kInvalidData, format("unknown key '{}' in {}{}", key, where, did_you_mean(key, known)));
    }
  }
}

template <class T>
void take(const Json& object, const char* key, T& target) {
  if (object.contains(key)) target = object.at(key).get<T>();
}

void read_activations(const Json& json, TargetProfile& profile) {
  refuse_unknown_keys(json, {"bits", "symmetric"}, "activations");
  take(json, "bits", profile.activation_bits);
  take(json, "symmetric", profile.activation_symmetric);
}

void read_weights(const Json& json, TargetProfile& profile) {
  refuse_unknown_keys(json, {"bits", "symmetric", "per_channel", "per_channel_ops", "asymmetric_ops", "unquantized_ops"}, "weights");
  take(json, "bits", profile.weight_bits);
  take(json, "symmetric", profile.weight_symmetric);
  take(json, "per_channel", profile.per_channel);
  take(json, "per_channel_ops", profile.per_channel_ops);
  take(json, "asymmetric_ops", profile.asymmetric_weight_ops);
  take(json, "unquantized_ops", profile.unquantized_weight_ops);
}

void read_bias(const Json& json, TargetProfile& profile) {
  refuse_unknown_keys(json, {"bits", "overflow_guard"}, "bias");
  take(json, "bits", profile.bias_bits);
  take(json, "overflow_guard", profile.bias_overflow_guard);
}

void read_limits(const Json& json, TargetProfile& profile) {
  for (const auto& [op, entry] : json.items()) {
    refuse_unknown_keys(entry, {"activation_bits", "weight_bits", "weight_bits_at_16", "weight_symmetric", "symmetric_second_at_16"}, format("op_limits of {}", op));
    model::OperatorLimits& limits = profile.op_limits[op];
    take(entry, "activation_bits", limits.activation_bits);
    take(entry, "weight_bits", limits.weight_bits);
    take(entry, "weight_bits_at_16", limits.weight_bits_at_16);
    take(entry, "symmetric_second_at_16", limits.symmetric_second_at_16);
    if (entry.contains("weight_symmetric")) limits.weight_symmetric = entry.at("weight_symmetric").get<bool>();
  }
}

void read_concat(const Json& json, TargetProfile& profile) {
  refuse_unknown_keys(json, {"policy", "threshold"}, "concat");
  if (json.contains("policy")) profile.concat_policy = concat_policy_of(json.at("policy").get<std::string>());
  take(json, "threshold", profile.concat_threshold);
}

void read_ranges(const Json& json, TargetProfile& profile) {
  profile.fixed_output_ranges.clear();
  for (const auto& [op, bounds] : json.items()) {
    profile.fixed_output_ranges[op] = {bounds.at(0).get<double>(), bounds.at(1).get<double>()};
  }
}

void check(const TargetProfile& profile) {
  const auto one_of = [](int bits, std::initializer_list<int> known, const char* what) {
    if (std::find(known.begin(), known.end(), bits) == known.end()) throw Error(ErrorCode::kInvalidData, format("{}.bits is {}; not a width of this tool", what, bits));
  };
  one_of(profile.activation_bits, {8, 16}, "activations");
  one_of(profile.weight_bits, {2, 3, 4, 5, 6, 7, 8, 16}, "weights");
  one_of(profile.bias_bits, {8, 32}, "bias");
  if (!(profile.min_range > 0.0) || !(profile.concat_threshold >= 1.0)) {
    throw Error(ErrorCode::kInvalidData, "min_range must be above 0 and concat.threshold at least 1");
  }
}

TargetProfile parse(const std::string& text, int depth);

// What is left out is taken from the profile that is extended; lists and tables replace those of the base.
TargetProfile base_of(const Json& file, int depth) {
  if (!file.contains("extends")) {
    for (const char* key : {"activations", "weights", "bias"}) {
      if (!file.at(key).contains("bits")) throw Error(ErrorCode::kInvalidData, format("{} needs 'bits' unless the profile extends another", key));
    }
    return {};
  }
  const auto& name = file.at("extends").get_ref<const std::string&>();
  const auto base = embedded_profiles().find(name);
  if (base == embedded_profiles().end() || depth > 4) {
    throw Error(ErrorCode::kInvalidData, format("extends '{}', which is no built-in profile{}", name, did_you_mean(name, profile_names())));
  }
  return parse(base->second, depth + 1);
}

TargetProfile parse(const std::string& text, int depth) {
  const Json file = Json::parse(text);
  if (is_aimet_config(file)) return profile_of_aimet_config(file);
  refuse_unknown_keys(file, {"schema", "name", "summary", "extends", "activations", "weights", "bias", "min_range", "quantize_inputs", "quantize_outputs",
                             "strict_symmetric", "unsigned_symmetric", "fused_groups", "same_encoding_ops", "tied_ops", "fixed_output_ranges",
                             "unquantized_ops", "quantized_ops", "op_limits", "concat", "cost"},
                      "the profile");
  if (file.at("schema").get<int>() != 1) throw Error(ErrorCode::kInvalidData, "this tool reads profile schema 1");
  TargetProfile profile = base_of(file, depth);
  profile.name = file.at("name");
  take(file, "summary", profile.summary);
  if (file.contains("activations")) read_activations(file["activations"], profile);
  if (file.contains("weights")) read_weights(file["weights"], profile);
  if (file.contains("bias")) read_bias(file["bias"], profile);
  if (file.contains("min_range")) set_min_range(profile, file["min_range"].is_string() ? file["min_range"].get<std::string>() : file["min_range"].dump());
  take(file, "quantize_inputs", profile.quantize_inputs);
  take(file, "quantize_outputs", profile.quantize_outputs);
  take(file, "strict_symmetric", profile.strict_symmetric);
  take(file, "unsigned_symmetric", profile.unsigned_symmetric);
  take(file, "fused_groups", profile.fused_groups);
  take(file, "same_encoding_ops", profile.same_encoding_ops);
  take(file, "tied_ops", profile.tied_ops);
  take(file, "unquantized_ops", profile.unquantized_ops);
  take(file, "quantized_ops", profile.quantized_ops);
  if (file.contains("fixed_output_ranges")) read_ranges(file["fixed_output_ranges"], profile);
  if (file.contains("op_limits")) read_limits(file["op_limits"], profile);
  if (file.contains("concat")) read_concat(file["concat"], profile);
  if (file.contains("cost")) read_cost_rates(file["cost"], profile.cost);
  check(profile);
  return profile;
}

}  // namespace

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : embedded_profiles()) names.push_back(name);
  return names;
}

void set_min_range(TargetProfile& profile, const std::string& text) {
  profile.min_scale = 0.0;
  if (text == "aimet-legacy") profile.min_range = 0.01;
  else if (text == "qairt") profile.min_range = 1e-4;
  else if (text == "aimet-2") profile.min_scale = 0x1p-23;
  else {
    size_t used = 0;
    double value = 0.0;
    try {
      value = std::stod(text, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used != text.size() || !(value > 0.0)) {
      throw Error(ErrorCode::kUsage, format("min range '{}': give aimet-legacy (0.01), qairt (0.0001), aimet-2 (by scale) or a number above 0", text));
    }
    profile.min_range = value;
  }
}

model::ConcatPolicy concat_policy_of(const std::string& name) {
  if (name == "own") return model::ConcatPolicy::kOwn;
  if (name == "tie") return model::ConcatPolicy::kTie;
  if (name == "auto") return model::ConcatPolicy::kAuto;
  throw Error(ErrorCode::kUsage, format("concat policy '{}': own, tie and auto are known", name));
}

TargetProfile load_profile(const std::string& name_or_path) {
  const auto found = embedded_profiles().find(name_or_path);
  const bool is_file = found == embedded_profiles().end();
  if (is_file && !std::filesystem::exists(name_or_path)) {
    throw Error(ErrorCode::kUsage, format("unknown profile '{}'{} (known: {}; or the path of a profile file)", name_or_path,
                                          did_you_mean(name_or_path, profile_names()), join(profile_names(), ", ")));
  }
  try {
    const std::string text = is_file ? read_text_file(name_or_path) : found->second;
    TargetProfile profile = parse(text, 0);
    profile.sha256 = sha256_hex(std::as_bytes(std::span(text)));
    if (profile.name.empty()) profile.name = std::filesystem::path(name_or_path).stem().string();
    return profile;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("malformed profile: {}", error.what())).with("file", name_or_path);
  } catch (Error& error) {
    error.with("file", name_or_path);
    throw;
  }
}

}  // namespace qtool::pipeline
