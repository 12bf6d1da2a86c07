#include "aimet_config.h"

#include <algorithm>
#include <limits>

#include "qtool/ops/registry.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::pipeline {

namespace {

using Json = nlohmann::json;
using model::TargetProfile;

// The files spell booleans as strings.
bool truth(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  const auto text = value.get<std::string>();
  if (text == "True" || text == "true") return true;
  if (text == "False" || text == "false") return false;
  throw Error(ErrorCode::kInvalidData, format("'{}' is neither True nor False", text));
}

bool truth(const Json& object, const char* key, bool missing) { return object.contains(key) ? truth(object.at(key)) : missing; }

void refuse_unknown(const Json& object, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end()) {
      throw Error(ErrorCode::kInvalidData, format("unknown key '{}' in {}{}", key, where, did_you_mean(key, known)));
    }
  }
}

// Names that the files have beside those of ONNX.
std::string onnx_name(const std::string& type) {
  static const std::map<std::string, std::string> kOthers = {{"Mean", "ReduceMean"}, {"BatchPermutation", "Transpose"}, {"Sum", "ReduceSum"}};
  const auto found = kOthers.find(type);
  return found == kOthers.end() ? type : found->second;
}

bool keeps_values(const std::string& type) {
  const ops::OpDef* def = ops::builtin_registry().find("", type);
  return def != nullptr && def->traits.flow == ops::ValueFlow::kMovesData;
}

void read_defaults(const Json& json, TargetProfile& profile, bool& outputs_quantized) {
  refuse_unknown(json, {"hw_version", "ops", "params", "per_channel_quantization", "strict_symmetric", "unsigned_symmetric", "supported_kernels"}, "defaults");
  if (json.contains("ops")) {
    outputs_quantized = truth(json["ops"], "is_output_quantized", true);
    profile.activation_symmetric = truth(json["ops"], "is_symmetric", false);
  }
  if (json.contains("params")) profile.weight_symmetric = truth(json["params"], "is_symmetric", false);
  profile.per_channel = truth(json, "per_channel_quantization", false);
  profile.strict_symmetric = truth(json, "strict_symmetric", false);
  profile.unsigned_symmetric = truth(json, "unsigned_symmetric", false);
  if (json.contains("hw_version")) profile.summary = "AIMET configuration for " + json["hw_version"].get<std::string>();
}

void read_weight_of(const std::string& op, const Json& params, TargetProfile& profile) {
  if (!params.contains("weight")) return;
  const Json& weight = params["weight"];
  if (!truth(weight, "is_quantized", true)) profile.unquantized_weight_ops.insert(op);
  if (profile.weight_symmetric && !truth(weight, "is_symmetric", true)) profile.asymmetric_weight_ops.insert(op);
}

void read_constraints(const std::string& op, const Json& json, TargetProfile& profile) {
  // One bound alone (Relu, min 0) is what the observed range has anyway.
  if (json.contains("min") && json.contains("max")) profile.fixed_output_ranges[op] = {json["min"].get<double>(), json["max"].get<double>()};
}

// What layers with weights an operator set has; per-channel defaults hold for these.
const std::vector<std::string>& weighted_operators() {
  static const std::vector<std::string> kNames = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
  return kNames;
}

void read_operators(const Json& json, TargetProfile& profile, std::set<std::string>& unquantized) {
  std::set<std::string> per_channel;
  if (profile.per_channel) per_channel.insert(weighted_operators().begin(), weighted_operators().end());
  for (const auto& [type, entry] : json.items()) {
    refuse_unknown(entry, {"is_output_quantized", "is_input_quantized", "is_symmetric", "per_channel_quantization", "params", "encoding_constraints",
                           "supported_kernels", "pattern"},
                   format("op_type {}", type));
    const std::string op = onnx_name(type);
    if (!truth(entry, "is_output_quantized", true)) unquantized.insert(op);
    if (entry.contains("per_channel_quantization")) {
      if (truth(entry["per_channel_quantization"])) per_channel.insert(op);
      else per_channel.erase(op);
    }
    if (entry.contains("params")) read_weight_of(op, entry["params"], profile);
    if (entry.contains("encoding_constraints")) read_constraints(op, entry["encoding_constraints"], profile);
  }
  profile.per_channel_ops = per_channel;
  profile.per_channel = !per_channel.empty();
}

void read_supergroups(const Json& json, TargetProfile& profile) {
  for (const Json& group : json) {
    std::vector<std::string> types;
    for (const Json& type : group.at("op_list")) {
      // Batch norm is folded by then.
      if (type.get<std::string>() != "BatchNormalization") types.push_back(onnx_name(type.get<std::string>()));
    }
    if (types.size() > 1 && std::ranges::find(profile.fused_groups, types) == profile.fused_groups.end()) profile.fused_groups.push_back(types);
  }
}

}  // namespace

bool is_aimet_config(const Json& file) { return file.is_object() && !file.contains("schema") && file.contains("defaults") && file.contains("op_type"); }

TargetProfile profile_of_aimet_config(const Json& file) {
  refuse_unknown(file, {"defaults", "params", "op_type", "supergroups", "supergroup_pass_list", "model_input", "model_output", "name"}, "the AIMET configuration");
  TargetProfile profile;
  profile.bias_bits = 32;
  bool outputs_quantized = true;
  std::set<std::string> unquantized;
  read_defaults(file.at("defaults"), profile, outputs_quantized);
  read_operators(file.at("op_type"), profile, unquantized);
  if (!outputs_quantized) throw Error(ErrorCode::kInvalidData, "defaults.ops.is_output_quantized is False: nothing would be quantized");
  if (file.contains("supergroups")) read_supergroups(file["supergroups"], profile);
  if (file.contains("model_input")) profile.quantize_inputs = truth(file["model_input"], "is_input_quantized", false);
  if (file.contains("model_output")) profile.quantize_outputs = truth(file["model_output"], "is_output_quantized", true);
  // Outputs that AIMET gives no quantizer whatever the file says.
  for (const char* type : {"Flatten", "Reshape", "Unsqueeze", "Squeeze", "Split", "Compress", "Tile", "Transpose", "Identity", "Dropout", "Expand"}) {
    unquantized.insert(type);
  }
  unquantized.insert({"Shape", "Size"});
  for (const std::string& op : unquantized) (keeps_values(op) ? profile.same_encoding_ops : profile.unquantized_ops).insert(op);
  // Codes are copied as they are by these, so another encoding would be wrong on the device.
  for (const char* type : {"MaxPool", "GlobalMaxPool", "Resize", "Upsample", "Slice", "DepthToSpace", "SpaceToDepth", "Pad", "Gather"}) {
    if (!profile.unquantized_ops.contains(type)) profile.same_encoding_ops.insert(type);
  }
  return profile;
}

}  // namespace qtool::pipeline
