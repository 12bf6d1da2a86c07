#include "qtool/exporters/encodings_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::exporters {

namespace {

using Json = nlohmann::ordered_json;
using ir::ValueId;

// ---- writing ---------------------------------------------------------------------------------------------------

const char* python_bool(bool value) { return value ? "True" : "False"; }

Json entry_json(const quant::Encoding& encoding, size_t channel) {
  Json entry;
  entry["bitwidth"] = encoding.bits;
  entry["dtype"] = "int";
  entry["is_symmetric"] = python_bool(encoding.is_symmetric);
  entry["max"] = encoding.max(channel);
  entry["min"] = encoding.min(channel);
  entry["offset"] = encoding.grids[channel].offset;
  entry["scale"] = encoding.grids[channel].scale;
  return entry;
}

Json entries_json(const quant::Encoding& encoding) {
  Json list = Json::array();
  for (size_t c = 0; c < encoding.grids.size(); ++c) list.push_back(entry_json(encoding, c));
  return list;
}

// ---- reading ---------------------------------------------------------------------------------------------------

bool read_bool(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>() == "True" || value.get<std::string>() == "true";
  return false;
}

[[noreturn]] void fail(const std::string& message, const std::string& file, const std::string& tensor) {
  throw Error(ErrorCode::kInvalidData, message).with("file", file).with("tensor", tensor);
}

struct ReadGrid {
  quant::Grid grid;
  bool symmetric = false;
};

// The ends of a grid, as files give them: [-128 s, 127 s] is a symmetric grid of scale s, although its ends differ.
quant::Grid grid_of_bounds(const quant::QuantSpec& spec, const quant::Range& range) {
  const double scale = (range.hi - range.lo) / (std::ldexp(1.0, spec.bits) - 1.0);
  const double offset = std::round(range.lo / scale);
  const bool ends_of_a_grid = range.lo <= 0.0 && range.hi >= 0.0 && std::abs(range.lo - offset * scale) < 1e-3 * scale;
  if (ends_of_a_grid) return {scale, static_cast<int64_t>(offset)};
  return quant::grid_from_range(spec, range);
}

ReadGrid read_grid(const Json& entry, int bits, const std::string& file, const std::string& tensor) {
  ReadGrid result;
  result.symmetric = entry.contains("is_symmetric") && read_bool(entry["is_symmetric"]);
  const bool has_bounds = entry.contains("min") && entry.contains("max");
  if (entry.contains("scale") && entry.contains("offset")) {
    result.grid.scale = entry["scale"].get<double>();
    result.grid.offset = static_cast<int64_t>(std::llround(entry["offset"].get<double>()));
    // Old files give the zero point instead of the offset; where there is a min, it must agree with the flipped sign.
    if (result.grid.offset > 0 &&
        (!has_bounds || std::abs(entry["min"].get<double>() + result.grid.scale * static_cast<double>(result.grid.offset)) <
                            result.grid.scale / 2)) {
      result.grid.offset = -result.grid.offset;
    }
  } else if (has_bounds) {
    const quant::QuantSpec spec{.bits = bits,
                                .symmetry = result.symmetric ? quant::Symmetry::kSymmetric : quant::Symmetry::kAsymmetric,
                                .min_range = 0.0};
    const quant::Range range{entry["min"].get<double>(), entry["max"].get<double>()};
    if (range.lo == 0.0 && range.hi == 0.0) fail("the range [0, 0] gives no scale", file, tensor);
    result.grid = grid_of_bounds(spec, range);
  } else {
    fail("an entry needs scale and offset, or min and max", file, tensor);
  }
  if (!(result.grid.scale > 0.0) || !std::isfinite(result.grid.scale)) {
    fail(format("scale {} is not a positive number", result.grid.scale), file, tensor);
  }
  if (result.grid.offset > 0 || result.grid.offset < -(int64_t{1} << (bits == 32 ? 31 : bits)) ) {
    fail(format("offset {} is outside a {}-bit grid", result.grid.offset, bits), file, tensor);
  }
  return result;
}

int weight_axis(const model::ModelState& state, const ops::Registry& registry, ValueId id) {
  for (const ir::NodeId user : state.graph.value(id).uses) {
    const ir::Node& node = state.graph.node(user);
    const ops::QuantTraits& traits = registry.at(node).traits;
    if (traits.weight_input >= 0 && static_cast<size_t>(traits.weight_input) < node.inputs.size() &&
        node.inputs[static_cast<size_t>(traits.weight_input)] == id && traits.weight_channel_axis) {
      return static_cast<int>(state.graph.type_of(id).shape.normalize_axis(traits.weight_channel_axis(node)));
    }
  }
  return 0;
}

quant::Encoding read_encoding(const Json& list, const model::ModelState& state, const ops::Registry& registry, ValueId id,
                              const std::string& file) {
  const std::string& tensor = state.graph.value(id).name;
  quant::Encoding encoding;
  encoding.bits = list[0].value("bitwidth", 8);
  if (encoding.bits < 2 || encoding.bits > 32) fail(format("bit width {} is not supported", encoding.bits), file, tensor);
  for (const Json& entry : list) {
    if (entry.value("bitwidth", 8) != encoding.bits) fail("the entries have different bit widths", file, tensor);
    const ReadGrid grid = read_grid(entry, encoding.bits, file, tensor);
    encoding.is_symmetric = grid.symmetric;
    encoding.grids.push_back(grid.grid);
  }
  // The strict flag is not stored: it shows in the offset.
  encoding.is_strict = encoding.is_symmetric && encoding.grids[0].offset == -((int64_t{1} << (encoding.bits - 1)) - 1);
  if (encoding.grids.size() > 1) {
    encoding.channel_axis = weight_axis(state, registry, id);
    const Shape& shape = state.graph.type_of(id).shape;
    const auto axis = static_cast<size_t>(encoding.channel_axis);
    if (axis >= shape.rank() || shape[axis] != static_cast<int64_t>(encoding.grids.size())) {
      fail(format("{} entries for a tensor of shape {} whose channel axis is {}", encoding.grids.size(), shape.text(), axis),
           file, tensor);
    }
  }
  return encoding;
}

size_t derive_biases(model::ModelState& state, const ops::Registry& registry) {
  size_t derived = 0;
  for (const ir::NodeId id : state.graph.node_ids()) {
    const ir::Node& node = state.graph.node(id);
    const ops::QuantTraits& traits = registry.at(node).traits;
    if (traits.weight_input < 0 || traits.bias_input < 0 || static_cast<size_t>(traits.bias_input) >= node.inputs.size()) continue;
    const ValueId bias = node.inputs[static_cast<size_t>(traits.bias_input)];
    if (!state.graph.is_constant(bias) || state.encodings.contains(bias)) continue;
    const auto* input = model::find_encoding(state.encodings, node.inputs[0]);
    const auto* weight = model::find_encoding(state.encodings, node.inputs[static_cast<size_t>(traits.weight_input)]);
    if (input == nullptr || weight == nullptr || input->per_channel()) continue;
    const int64_t values = state.graph.constant(bias)->element_count();
    state.encodings[bias] = {.encoding = quant::bias_encoding(input->grids[0].scale, *weight, values),
                             .source = "input scale x weight scale"};
    ++derived;
  }
  return derived;
}

}  // namespace

std::string write_encodings_061(const model::ModelState& state, const EncodingsFileInfo& info) {
  Json activations = Json::object(), parameters = Json::object();
  for (const auto& [id, entry] : state.encodings) {
    const bool constant = state.graph.is_constant(id);
    if (constant && entry.encoding.bits > 16) continue;
    (constant ? parameters : activations)[state.graph.value(id).name] = entries_json(entry.encoding);
  }
  Json file;
  file["version"] = "0.6.1";
  file["activation_encodings"] = std::move(activations);
  file["param_encodings"] = std::move(parameters);
  file["quantizer_args"] = {{"activation_bitwidth", info.activation_bits},
                            {"dtype", "int"},
                            {"is_symmetric", python_bool(info.symmetric_weights)},
                            {"param_bitwidth", info.weight_bits},
                            {"per_channel_quantization", python_bool(info.per_channel)},
                            {"quant_scheme", "post_training_tf"}};
  return file.dump(2) + "\n";
}

AppliedEncodings apply_encodings(model::ModelState& state, const ops::Registry& registry, std::string_view text,
                                 const std::string& file_name) {
  Json file;
  try {
    file = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidData, format("not valid JSON: {}", error.what())).with("file", file_name);
  }
  if (!file.is_object() || !file.contains("activation_encodings") || !file.contains("param_encodings")) {
    throw Error(ErrorCode::kInvalidData, "an encodings file has the keys activation_encodings and param_encodings").with("file", file_name);
  }
  AppliedEncodings applied;
  std::vector<std::string> names;
  for (const ValueId id : state.graph.value_ids()) names.push_back(state.graph.value(id).name);
  for (const char* section : {"activation_encodings", "param_encodings"}) {
    if (!file[section].is_object()) {
      throw Error(ErrorCode::kInvalidData, format("{} is not an object of tensor names; only encodings of version 0.6.1 are read", section))
          .with("file", file_name);
    }
    for (const auto& [name, list] : file[section].items()) {
      ++applied.in_file;
      const ValueId id = state.graph.find_value(name);
      if (id == ir::kNoValue) fail(format("the model has no tensor of this name{}", did_you_mean(name, names)), file_name, name);
      try {
        if (!list.is_array() || list.empty()) fail("expected a list of entries", file_name, name);
        if (list[0].value("dtype", "int") == "float") continue;
        state.encodings[id] = {.encoding = read_encoding(list, state, registry, id, file_name), .source = "file"};
      } catch (const Json::exception& error) {
        fail(format("an entry has a value of the wrong type: {}", error.what()), file_name, name);
      }
      ++applied.applied;
    }
  }
  if (applied.applied == 0) {
    throw Error(ErrorCode::kInvalidData, "not a single encoding of this file applies to the model").with("file", file_name);
  }
  applied.derived_biases = derive_biases(state, registry);
  return applied;
}

}  // namespace qtool::exporters
